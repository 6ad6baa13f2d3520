#!/usr/bin/env python3
"""Drives the official Aliyun SDK clients at our stand-in: what they send must be taken, what we answer
must parse in their hands, and a wrong secret must be refused as Aliyun refuses it.

usage: sdk_clients.py 127.0.0.1:PORT      (the stand-in knows the key testid / testsecret)
Prints one line a check and exits 0 when all of them hold.
"""
import json
import sys
import time
import urllib.request
import warnings

warnings.filterwarnings("ignore")

from alibabacloud_dysmsapi20170525 import models as sm
from alibabacloud_dysmsapi20170525.client import Client as Sms
from alibabacloud_dyvmsapi20170525 import models as vm
from alibabacloud_dyvmsapi20170525.client import Client as Voice
from alibabacloud_tea_openapi.utils_models import Config

endpoint = sys.argv[1]
results = []


def config(key="testid", secret="testsecret"):
    return Config(access_key_id=key, access_key_secret=secret, endpoint=endpoint, protocol="http", region_id="cn-hangzhou")


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


def error_code(call):
    """The code the SDK raises for a gateway error."""
    try:
        call()
    except Exception as e:
        return getattr(e, "code", None)
    raise AssertionError("the SDK raised nothing")


def message(phone="15400000001", **more):
    fields = dict(phone_numbers=phone, sign_name="某某应急", template_code="SMS_1",
                  template_param='{"level":"红 色*~+\\"","digit":"1"}', out_id="sdk-1")
    fields.update(more)
    return sm.SendSmsRequest(**fields)


@check("send_sms is taken and its reply parses")
def _():
    before = counts()["sms"]
    body = Sms(config()).send_sms(message()).body
    assert body.code == "OK" and body.message == "OK", body.to_map()
    assert body.biz_id and "^" in body.biz_id and body.request_id, body.to_map()
    assert counts()["sms"] == before + 1


@check("query_send_details finds the message by its OutId")
def _():
    day = time.strftime("%Y%m%d", time.gmtime(time.time() + 8 * 3600))
    query = sm.QuerySendDetailsRequest(phone_number="15400000001", send_date=day, page_size=10, current_page=1)
    body = Sms(config()).query_send_details(query).body
    assert body.code == "OK", body.to_map()
    rows = body.sms_send_detail_dtos.sms_send_detail_dto
    assert [r.out_id for r in rows] == ["sdk-1"], body.to_map()
    assert rows[0].phone_num == "15400000001" and rows[0].template_code == "SMS_1" and rows[0].send_status in (1, 3)


@check("send_batch_sms is taken, with its parameters in a form body")
def _():
    before = counts()["sms"]
    body = Sms(config()).send_batch_sms(sm.SendBatchSmsRequest(
        phone_number_json='["15400000002","15400000003"]', sign_name_json='["某","某"]', template_code="SMS_1",
        template_param_json='[{"level":"红"},{"level":"黄"}]')).body
    assert body.code == "OK" and body.biz_id, body.to_map()
    assert counts()["sms"] == before + 2


@check("ivr_call is taken and its reply parses")
def _():
    before = counts()["voice"]
    body = Voice(config()).ivr_call(vm.IvrCallRequest(
        called_number="15400000004", called_show_number="03562000001", start_code="TTS_1", start_tts_params='{"level":"红色"}',
        out_id="sdk-ivr", timeout=5000, play_times=2,
        menu_key_map=[vm.IvrCallRequestMenuKeyMap(key="1", code="TTS_2"),
                      vm.IvrCallRequestMenuKeyMap(key="2", code="TTS_3", tts_params='{"x":"y"}')])).body
    assert body.code == "OK" and body.call_id and "^" in body.call_id, body.to_map()
    assert counts()["voice"] == before + 1


@check("single_call_by_tts is taken, and query_call_detail_by_call_id knows the call")
def _():
    body = Voice(config()).single_call_by_tts(vm.SingleCallByTtsRequest(
        called_number="15400000005", tts_code="TTS_1", tts_param='{"p":"山洪"}', out_id="sdk-tts", play_times=2)).body
    assert body.code == "OK" and body.call_id, body.to_map()
    found = Voice(config()).query_call_detail_by_call_id(vm.QueryCallDetailByCallIdRequest(
        call_id=body.call_id, prod_id=11010000138001, query_date=int(time.time() * 1000))).body
    data = json.loads(found.data)
    assert found.code == "OK" and data["outId"] == "sdk-tts" and data["callee"] == "15400000005", found.to_map()


@check("business errors come as a body with a code, not as an exception")
def _():
    body = Sms(config()).send_sms(message(phone="12345")).body
    assert body.code == "isv.MOBILE_NUMBER_ILLEGAL", body.to_map()
    body = Sms(config()).send_sms(message(template_param='{"level":1}')).body
    assert body.code == "isv.INVALID_JSON_PARAM", body.to_map()
    body = Voice(config()).single_call_by_tts(vm.SingleCallByTtsRequest(called_number="15400000006", tts_code="TTS_1", out_id="more-than-15-bytes")).body
    assert body.code == "isv.INVALID_PARAMETERS", body.to_map()


@check("a wrong secret raises SignatureDoesNotMatch, and nothing is taken")
def _():
    before = counts()
    for client, call in ((Sms, lambda c: c.send_sms(message())),
                         (Voice, lambda c: c.single_call_by_tts(vm.SingleCallByTtsRequest(called_number="15400000007", tts_code="TTS_1")))):
        code = error_code(lambda: call(client(config(secret="wrong"))))
        assert code == "SignatureDoesNotMatch", code
    after = counts()
    assert after["accepted"] == before["accepted"] and after["bad_signature"] == before["bad_signature"] + 2


@check("an unknown key raises InvalidAccessKeyId.NotFound")
def _():
    code = error_code(lambda: Sms(config(key="nobody")).send_sms(message()))
    assert code == "InvalidAccessKeyId.NotFound", code


print("%d passed, %d failed" % (results.count(True), results.count(False)))
sys.exit(0 if results and all(results) else 1)
