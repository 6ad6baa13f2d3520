#!/usr/bin/env python3
"""Drives the official Tencent and Twilio clients, and Huawei's documented request, at our stand-in: what they send
must be taken, what we answer must parse in their hands, and a wrong secret or a tampered byte must be refused. Huawei
has no SDK that sends messages: its request is made here by the document's own formula.

usage: others_clients.py 127.0.0.1:PORT   (the stand-in knows testid / testsecret, and ACtest for Twilio)
Prints one line a check and exits 0 when all of them hold.
"""
import base64
import hashlib
import http.server
import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sms.v20210111 import models as tm
from tencentcloud.sms.v20210111 import sms_client
from tencentcloud.vms.v20200902 import models as tv
from tencentcloud.vms.v20200902 import vms_client
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client as Twilio

endpoint = sys.argv[1]
results = []


def check(name):
    def run(test):
        try:
            test()
            results.append(True)
            print("ok   " + name)
        except Exception as e:  # every check is reported, whatever breaks in it
            results.append(False)
            print("FAIL %s: %s: %s" % (name, type(e).__name__, e))
    return run


def counts():
    with urllib.request.urlopen("http://%s/_standin/counts" % endpoint, timeout=5) as r:
        return json.load(r)


# --- Tencent

def tencent(kind, key="testid", secret="testsecret"):
    http_profile = HttpProfile()
    http_profile.scheme, http_profile.endpoint, http_profile.reqTimeout = "http", endpoint, 5
    profile = ClientProfile()
    profile.httpProfile = http_profile
    return kind(credential.Credential(key, secret), "ap-guangzhou", profile)


def send_sms(phones=("+8615400000101",), **more):
    q = tm.SendSmsRequest()
    q.PhoneNumberSet, q.SmsSdkAppId, q.SignName, q.TemplateId = list(phones), "1400006666", "某某应急", "T1"
    q.TemplateParamSet, q.SessionContext = ["红 色*~+\"", "1"], "sdk-t"
    for k, v in more.items():
        setattr(q, k, v)
    return q


def tts(**more):
    q = tv.SendTtsVoiceRequest()
    q.TemplateId, q.CalledNumber, q.VoiceSdkAppid = "T2", "+8615400000102", "1400006666"
    q.TemplateParamSet, q.PlayTimes, q.SessionContext = ["红色"], 2, "sdk-v"
    for k, v in more.items():
        setattr(q, k, v)
    return q


def tencent_code(call):
    try:
        call()
    except TencentCloudSDKException as e:
        return e.code
    raise AssertionError("the SDK raised nothing")


@check("Tencent: SendSms is taken and its reply parses")
def _():
    before = counts()["sms"]
    r = tencent(sms_client.SmsClient).SendSms(send_sms())
    status = r.SendStatusSet[0]
    assert status.Code == "Ok" and status.SerialNo and status.SessionContext == "sdk-t", r.to_json_string()
    assert counts()["sms"] == before + 1


@check("Tencent: one request can be half accepted")
def _():
    r = tencent(sms_client.SmsClient).SendSms(send_sms(("+8615400000103", "12345")))
    assert [s.Code for s in r.SendStatusSet] == ["Ok", "InvalidParameterValue.IncorrectPhoneNumber"], r.to_json_string()


@check("Tencent: PullSmsSendStatusByPhoneNumber finds the message")
def _():
    q = tm.PullSmsSendStatusByPhoneNumberRequest()
    q.SmsSdkAppId, q.PhoneNumber, q.Offset, q.Limit = "1400006666", "+8615400000101", 0, 10
    q.BeginTime, q.EndTime = int(time.time()) - 600, int(time.time()) + 600
    r = tencent(sms_client.SmsClient).PullSmsSendStatusByPhoneNumber(q)
    assert len(r.PullSmsSendStatusSet) == 1 and r.PullSmsSendStatusSet[0].SerialNo.startswith("5000:"), r.to_json_string()


@check("Tencent: SendTtsVoice is taken and its reply parses")
def _():
    before = counts()["voice"]
    r = tencent(vms_client.VmsClient).SendTtsVoice(tts())
    assert r.SendStatus.CallId and r.SendStatus.SessionContext == "sdk-v", r.to_json_string()
    assert counts()["voice"] == before + 1


@check("Tencent: refusals raise with their codes, and nothing is taken")
def _():
    before = counts()
    sms, vms = sms_client.SmsClient, vms_client.VmsClient
    assert tencent_code(lambda: tencent(sms, secret="wrong").SendSms(send_sms())) == "AuthFailure.SignatureFailure"
    assert tencent_code(lambda: tencent(vms, key="nobody").SendTtsVoice(tts())) == "AuthFailure.SecretIdNotFound"
    assert tencent_code(lambda: tencent(vms).SendTtsVoice(tts(CalledNumber="12345"))) == "InvalidParameterValue.CalledNumberVerifyFail"
    after = counts()
    assert after["accepted"] == before["accepted"] and after["bad_signature"] == before["bad_signature"] + 2


# --- Huawei

def huawei(secret="testsecret", raw=False, **more):
    fields = {"from": "8820000000000", "to": "+8615400000104", "templateId": "T3", "templateParas": json.dumps(["红色", "1"]),
              "statusCallback": "", "extend": "sdk-h"}
    fields.update(more)
    nonce, created = "66C92B11FF8A425FB8D4CCFE0ED9ED1F", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    digest = hashlib.sha256((nonce + created + secret).encode())
    # The official Python sample encodes the hexadecimal text, other clients the bytes.
    digest = base64.b64encode(digest.digest() if raw else digest.hexdigest().encode()).decode()
    request = urllib.request.Request("http://%s/sms/batchSendSms/v1" % endpoint, urllib.parse.urlencode(fields).encode(), {
        "Authorization": 'WSSE realm="SDP",profile="UsernameToken",type="Appkey"',
        "X-WSSE": 'UsernameToken Username="testid",PasswordDigest="%s",Nonce="%s",Created="%s"' % (digest, nonce, created)})
    try:
        with urllib.request.urlopen(request, timeout=5) as r:
            return json.load(r)
    except urllib.error.HTTPError as e:
        return json.load(e)


@check("Huawei: batchSendSms is taken with both readings of the digest")
def _():
    before = counts()["sms"]
    for raw in (False, True):
        r = huawei(raw=raw)
        assert r["code"] == "000000" and r["result"][0]["status"] == "000000" and r["result"][0]["smsMsgId"], r
    assert counts()["sms"] == before + 2


@check("Huawei: a wrong secret and one odd number are refused whole")
def _():
    before = counts()["accepted"]
    assert huawei(secret="wrong")["code"] == "E000105"
    assert huawei(to="+8615400000104,12345")["code"] == "E000503"
    assert counts()["accepted"] == before


# --- Twilio

class Loop(TwilioHttpClient):
    def request(self, method, uri, **kw):
        u = urllib.parse.urlsplit(uri)
        return super().request(method, "http://%s%s%s" % (endpoint, u.path, "?" + u.query if u.query else ""), **kw)


def twilio(token="testsecret"):
    return Twilio("ACtest", token, http_client=Loop())


heard = []


class Callback(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        heard.append((self.path, dict(urllib.parse.parse_qsl(body, keep_blank_values=True)), self.headers.get("x-twilio-signature")))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *a):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Callback)
threading.Thread(target=server.serve_forever, daemon=True).start()
public = "http://127.0.0.1:%d" % server.server_address[1]


def told(wanted):
    for _ in range(200):
        for path, fields, signature in list(heard):
            if wanted(fields):
                return path, fields, signature
        time.sleep(0.05)
    raise AssertionError("no such callback among %r" % heard)


@check("Twilio: a message is taken, fetched, listed, and its status comes signed as the official validator wants")
def _():
    m = twilio().messages.create(to="+8615400000105", from_="+15005550006", body="红色预警，收到回1", status_callback=public + "/m?r=sdk-m")
    assert m.sid.startswith("SM") and m.status == "queued" and m.error_code is None, m.sid
    assert twilio().messages(m.sid).fetch().sid == m.sid
    assert [x.sid for x in twilio().messages.list(to="+8615400000105", limit=5)] == [m.sid]
    path, fields, signature = told(lambda f: f.get("MessageStatus") == "delivered")
    judge = RequestValidator("testsecret")
    assert judge.validate(public + path, fields, signature), "the official validator refuses our stand-in's signature"
    assert not judge.validate(public + path, dict(fields, MessageStatus="failed"), signature), "it takes a tampered field"
    assert not judge.validate(public + path.replace("sdk-m", "sdk-n"), fields, signature), "it takes a tampered address"


@check("Twilio: a call is taken, and its key and end come signed")
def _():
    words = '<Response><Gather numDigits="1" action="%s/c?r=sdk-c"><Say language="zh-CN">红色预警，请按1。</Say></Gather></Response>' % public
    c = twilio().calls.create(to="+8615400000106", from_="+15005550006", twiml=words, status_callback=public + "/c?r=sdk-c",
                              status_callback_event=["completed"], timeout=30)
    assert c.sid.startswith("CA") and c.status == "queued", c.sid
    assert twilio().calls(c.sid).fetch().to == "+8615400000106"
    for wanted in (lambda f: f.get("Digits") == "1", lambda f: f.get("CallStatus") == "completed"):
        path, fields, signature = told(wanted)
        assert RequestValidator("testsecret").validate(public + path, fields, signature)
        assert fields["CallSid"] == c.sid


@check("Twilio: refusals raise with their codes")
def _():
    def code(call):
        try:
            call()
        except TwilioRestException as e:
            return e.status, e.code
        raise AssertionError("the client raised nothing")
    ask = lambda c, **more: c.messages.create(**dict(dict(to="+8615400000107", from_="+15005550006", body="x"), **more))
    assert code(lambda: ask(twilio("wrong"))) == (401, 20003)
    assert code(lambda: ask(twilio(), to="12345")) == (400, 21211)
    assert code(lambda: ask(twilio(), body="字" * 1601)) == (400, 21617)


print("%d passed, %d failed" % (results.count(True), results.count(False)))
sys.exit(0 if results and all(results) else 1)
