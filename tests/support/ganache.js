// Starts Ganache on a port that the system picks and prints it: its own command prints the port it was given.
"use strict";
const [folder, host, chainId, seconds] = process.argv.slice(2);
const ganache = require(folder);
const server = ganache.server({
  chain: { chainId: Number(chainId), time: new Date(Number(seconds) * 1000) },
  miner: { defaultTransactionGasLimit: 10000000 },
  wallet: { deterministic: true },
  logging: { quiet: true },
});
server.listen(0, host).then(
  () => console.log(`Listening on ${host}:${server.address().port}`),
  (error) => {
    console.error(String(error));
    process.exit(1);
  },
);
