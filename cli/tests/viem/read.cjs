// viem reads what `blockloom serve` serves, and makes of each answer what it
// makes of geth's to the same question.
//
//   NODE_PATH=.../node_modules node read.cjs URL RPC_COMPAT
//
// RPC_COMPAT is the folder of the JSON-RPC conformance set, whose chain must be
// served. Prints how many things were compared; what differs ends it.

"use strict";

const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const {
    createPublicClient, custom, http, keccak256, parseAbi, parseTransaction,
    recoverTransactionAddress,
} = require("viem");

const [url, folder] = process.argv.slice(2);

// viem's own error is to be seen, not a second attempt.
const options = { retryCount: 0 };
const served = createPublicClient({ transport: http(url, options) });

/// The first question of a case of the set, and geth's answer.
function recorded(name) {
    const lines = readFileSync(join(folder, `${name}.io`), "utf8").split("\n");
    const line = (start) => JSON.parse(lines.find((line) => line.startsWith(start)).slice(3));
    return { question: line(">> "), answer: line("<< ") };
}

/// A client whose node gives geth's answer to the case `name`.
function geth(name) {
    const { question, answer } = recorded(name);
    const request = async ({ method }) => {
        assert.equal(method, question.method, `${name}: viem asks something else`);
        if (answer.error) throw answer.error;
        return answer.result;
    };
    return createPublicClient({ transport: custom({ request }, options) });
}

/// What `read` comes to: a value, or the innermost error.
async function outcome(read, client) {
    try {
        return { value: await read(client) };
    } catch (error) {
        const { code, data, message } = error.walk();
        return { code, data, message };
    }
}

const REMEMBERS = "0x7dcd17433742f4c0ca53122ab541d0ba67fc27df";
const NOBODY = "0xc1cadaffffffffffffffffffffffffffffffffff";
const NONE = "0x0000000000000000000000000000000000000000";
/// The first parameter of a recorded question.
const given = (name) => recorded(name).question.params[0];
const transaction = (name) => [name, (c) => c.getTransaction({ hash: given(name) })];
const receipt = (name) => [name, (c) => c.getTransactionReceipt({ hash: given(name) })];
const call = (name) => {
    const { input: data, gas, from: account = NONE, to, value, ...fees } = given(name);
    const number = (text) => (text === undefined ? undefined : BigInt(text));
    const request = {
        account, data, to, gas: number(gas), value: number(value),
        maxFeePerGas: number(fees.maxFeePerGas),
        maxPriorityFeePerGas: number(fees.maxPriorityFeePerGas),
    };
    return [name, (c) => c.call(request)];
};

const CASES = [
    ["eth_getBlockByNumber/get-latest", (c) => c.getBlock({ includeTransactions: true })],
    ["eth_getBlockByNumber/get-safe", (c) => c.getBlock({ blockTag: "safe", includeTransactions: true })],
    ["eth_getBlockByNumber/get-block-london-fork", (c) => c.getBlock({ blockNumber: 27n })],
    ["eth_getBlockByNumber/get-block-merge-fork", (c) => c.getBlock({ blockNumber: 36n })],
    ["eth_getBlockByNumber/get-block-cancun-fork", (c) => c.getBlock({ blockNumber: 42n })],
    ["eth_getBlockByHash/get-block-by-hash", (c) => c.getBlock({
        blockHash: given("eth_getBlockByHash/get-block-by-hash"), includeTransactions: true,
    })],
    ["eth_getBalance/get-balance-default-block", (c) => c.getBalance({ address: REMEMBERS })],
    ["eth_getTransactionCount/get-nonce", (c) => c.getTransactionCount({
        address: given("eth_getTransactionCount/get-nonce"),
    })],
    ["eth_getTransactionCount/get-nonce-unknown-account",
        (c) => c.getTransactionCount({ address: NOBODY })],
    ["eth_getCode/get-code", (c) => c.getCode({ address: REMEMBERS })],
    ["eth_getCode/get-code-unknown-account", (c) => c.getCode({ address: NOBODY })],
    ["eth_getStorageAt/get-storage-default-block",
        (c) => c.getStorageAt({ address: REMEMBERS, slot: `0x${"00".repeat(32)}` })],
    ["eth_getProof/get-account-proof-latest",
        (c) => c.getProof({ address: REMEMBERS, storageKeys: [] })],
    ["eth_getProof/get-account-proof-with-storage",
        (c) => c.getProof({ address: REMEMBERS, storageKeys: ["0x00"] })],
    transaction("eth_getTransactionByHash/get-legacy-create"),
    transaction("eth_getTransactionByHash/get-access-list"),
    transaction("eth_getTransactionByHash/get-dynamic-fee"),
    transaction("eth_getTransactionByHash/get-blob-tx"),
    transaction("eth_getTransactionByHash/get-setcode-tx"),
    receipt("eth_getTransactionReceipt/get-dynamic-fee"),
    receipt("eth_getTransactionReceipt/get-legacy-input"),
    receipt("eth_getTransactionReceipt/get-setcode-tx"),
    ["eth_getLogs/filter-with-blockHash", (c) => {
        const { blockHash } = given("eth_getLogs/filter-with-blockHash");
        return c.getLogs({ blockHash });
    }],
    call("eth_call/call-contract"),
    call("eth_call/call-callenv"),
    call("eth_call/call-callenv-options-eip1559"),
    call("eth_call/call-eip7702-delegation"),
    call("eth_call/call-revert-abi-error"),
    ["eth_estimateGas/estimate-simple-transfer", (c) => c.estimateGas({
        account: "0xaa00000000000000000000000000000000000000",
        to: "0x0100000000000000000000000000000000000000",
    })],
];

/// Every transaction, as viem hashes it and recovers its sender.
async function checkTransactions() {
    let checked = 0;
    const tip = await served.getBlockNumber();
    assert.equal(tip, BigInt(recorded("eth_getBlockByNumber/get-latest").answer.result.number));
    for (let number = 0n; number <= tip; number++) {
        const block = await served.getBlock({ blockNumber: number, includeTransactions: true });
        const header = await served.request({
            method: "debug_getRawHeader", params: [`0x${number.toString(16)}`],
        });
        assert.equal(keccak256(header), block.hash);
        for (const { hash, from, to, nonce } of block.transactions) {
            const raw = await served.request({ method: "debug_getRawTransaction", params: [hash] });
            assert.equal(keccak256(raw), hash);
            const parsed = parseTransaction(raw);
            assert.deepEqual([parsed.to ?? null, parsed.nonce ?? 0], [to, nonce]);
            const sender = await recoverTransactionAddress({ serializedTransaction: raw });
            assert.equal(sender.toLowerCase(), from);
            checked += 1;
        }
    }
    return checked;
}

async function main() {
    for (const [name, read] of CASES) {
        const [expected, got] = [await outcome(read, geth(name)), await outcome(read, served)];
        assert.deepEqual(got, expected, name);
        assert.equal("value" in got, !name.includes("revert"), name);
    }
    const transactions = await checkTransactions();
    assert.ok(transactions > 0);
    const { config } = JSON.parse(readFileSync(join(folder, "genesis.json"), "utf8"));
    assert.equal(await served.getChainId(), config.chainId);

    // A root in a proof is the one of its block.
    const [block, proof] = [
        await served.getBlock(), await served.getProof({ address: REMEMBERS, storageKeys: [] }),
    ];
    assert.equal(keccak256(proof.accountProof[0]), block.stateRoot);

    // A call by ABI, to code that is only there for the call: answers 42.
    const abi = parseAbi(["function answer() view returns (uint256)"]);
    const answer = await served.readContract({
        address: NOBODY, abi, functionName: "answer",
        stateOverride: [{ address: NOBODY, code: "0x602a5f5260205ff3" }],
    });
    assert.equal(answer, 42n);
    console.log(JSON.stringify({ cases: CASES.length, transactions }));
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
