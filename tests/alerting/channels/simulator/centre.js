// A message centre for tests, by npm's smpp. Commands come as JSON lines on standard input
// ({"throttle": n}, {"swallow": n}, {"password": "…"}); what happens goes out as JSON lines.
const smpp = require("smpp");
const readline = require("readline");

const faults = { throttle: 0, swallow: 0 };
let password = null;
let count = 0;
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

const server = smpp.createServer({}, (session) => {
  session.on("error", (error) => say({ error: String(error) }));
  session.on("close", () => session.destroy());
  session.on("bind_transceiver", (pdu) => {
    if (password !== null && pdu.password !== password) {
      session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      return;
    }
    session.send(pdu.response());
    say({ bound: pdu.system_id });
  });
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("unbind", (pdu) => { session.send(pdu.response()); session.close(); });
  session.on("submit_sm", (pdu) => {
    if (faults.throttle > 0) {
      faults.throttle -= 1;
      session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
      return;
    }
    const udh = pdu.short_message.udh;
    say({
      to: pdu.destination_addr,
      text: pdu.short_message.message,
      coding: pdu.data_coding,
      part: udh && udh.length ? Array.from(udh[udh.length - 1]) : null,
    });
    if (faults.swallow > 0) {
      faults.swallow -= 1;
      return;
    }
    count += 1;
    const id = `node-${count}`;
    session.send(pdu.response({ message_id: id }));
    if (pdu.registered_delivery & 1) {
      session.deliver_sm({
        source_addr: pdu.destination_addr,
        destination_addr: pdu.source_addr,
        esm_class: 4,
        receipted_message_id: id,
        message_state: 2,
        short_message: `id:${id} sub:001 dlvrd:001 submit date:2607181400 done date:2607181400 stat:DELIVRD err:000 text:`,
      });
    }
  });
});

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if ("password" in command) password = command.password;
  for (const name of ["throttle", "swallow"]) if (name in command) faults[name] = command[name];
  say({ done: command });
}).on("close", () => process.exit()); // whoever started us is gone
server.listen(Number(process.argv[2]), "127.0.0.1", () => say({ listening: true }));
