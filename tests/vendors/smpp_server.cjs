// An SMSC by npm smpp: see tests/vendors/smpp. Prints its address.
"use strict";
const smpp = require("smpp");

const parts = new Map();
let count = 0;

const server = smpp.createServer((session) => {
  session.on("error", () => {});
  session.on("bind_transceiver", (pdu) => {
    const known = pdu.system_id === "testid" && pdu.password === "testpw";
    session.send(pdu.response({ command_status: known ? smpp.ESME_ROK : smpp.ESME_RINVPASWD }));
  });
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("submit_sm", (pdu) => {
    const id = "F" + String(++count).padStart(7, "0");
    session.send(pdu.response({ message_id: id }));
    session.deliver_sm({
      source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2607210610 done date:2607210611 stat:DELIVRD err:000 text:`,
    });
    const body = pdu.message_payload || pdu.short_message;
    const said = typeof body === "string" ? body : body.message;
    const udh = body.udh && body.udh[0];
    let whole = said;
    if (udh) {
      // 00 03 REFERENCE TOTAL NUMBER
      const [, , reference, total, number] = udh;
      const key = pdu.destination_addr + "/" + reference;
      const all = parts.get(key) || [];
      all[number - 1] = said;
      parts.set(key, all);
      whole = all.filter((p) => p !== undefined).length === total ? all.join("") : undefined;
      if (whole !== undefined) parts.delete(key);
    }
    if (whole !== undefined) {
      session.deliver_sm({
        source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 0, data_coding: 8,
        message_payload: { message: whole },
      });
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log("127.0.0.1:" + server.address().port));
