// The compiler of npm's package `solc`, spoken to like a native solc: as much of it as forge and slither ask for.
// Its first argument is soljson.js, which is the whole compiler; two of its C functions are all that is needed of it.
'use strict';
const fs = require('fs');
const soljson = require(process.argv[2]);
const words = process.argv.slice(3);

function answer() {
  if (words.includes('--version')) {
    const version = soljson.cwrap('solidity_version', 'string', [])();
    process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
  } else if (words.includes('--standard-json')) {
    const compile = soljson.cwrap('solidity_compile', 'string', ['string', 'number', 'number']);
    // Every source comes in the job itself, so that there is nothing to look up.
    process.stdout.write(compile(fs.readFileSync(0, 'utf8'), 0, 0));
  } else {
    process.stderr.write(`solc.js knows --version and --standard-json, not: ${words.join(' ')}\n`);
    process.exitCode = 1; // Not process.exit(), which would cut a pipe short.
  }
}

if (soljson.calledRun) answer();
else soljson.onRuntimeInitialized = answer;
