// A sender on ssh2-sftp-client: node with_ssh2.cjs send|rename|resume|list|fetch|delete [STEM].
// H, P and U in the environment name host, port and user; login is the private key,
// ssh_host_ed25519_key.pub the host's key.
"use strict";
const { once } = require("events");
const fs = require("fs");
const net = require("net");
const Client = require("ssh2-sftp-client");

const orders = {
  async send(sftp, stem) {
    for (const name of [`FI.${stem}.1.1`, `FS.${stem}.1.1`, `GO.${stem}.1`])
      await sftp.put(name, `IN/${name}`);
  },
  async rename(sftp, stem) {
    const name = `FI.${stem}.1.1`;
    await sftp.put(name, `IN/${name}.part`);
    await sftp.rename(`IN/${name}.part`, `IN/${name}`);
  },
  async resume(sftp, stem) {
    const name = `FI.${stem}.1.1`;
    const there = (await sftp.stat(`IN/${name}`)).size;
    await sftp.append(fs.createReadStream(name, { start: there }), `IN/${name}`);
  },
  async list(sftp) {
    for (const found of await sftp.list("IN")) console.log(found.size, found.name);
  },
  async fetch(sftp) {
    for (const found of await sftp.list("OUT"))
      await sftp.fastGet(`OUT/${found.name}`, `answers/${found.name}`);
  },
  async delete(sftp) {
    for (const name of fs.readdirSync("answers")) await sftp.delete(`OUT/${name}`, true);
  },
};

async function main(order, stem) {
  const hostKey = fs.readFileSync("ssh_host_ed25519_key.pub", "utf8").split(" ")[1];
  // Without noDelay each packet waits up to 40 ms for an acknowledgement: ssh2 sends in pieces.
  const port = Number(process.env.P);
  const sock = net.connect({ host: process.env.H, port, noDelay: true });
  await once(sock, "connect");
  const sftp = new Client();
  try {
    await sftp.connect({
      sock,
      username: process.env.U,
      privateKey: fs.readFileSync("login"),
      hostVerifier: (key) => key.toString("base64") === hostKey.trim(),
    });
    await orders[order](sftp, stem);
  } finally {
    await sftp.end();
  }
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
