// server.mjs FILE PORT: an OpenAI-compatible server of one GGUF file, as little of it as an evaluation harness asks for:
// POST /v1/completions with a prompt (or a list of them), max_tokens and stop; greedy, so that two files can be compared.
import http from "node:http";
import {getLlama, LlamaCompletion, LlamaLogLevel} from "node-llama-cpp";

const [modelPath, port] = process.argv.slice(2);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath, useMmap: true});
const context = await model.createContext({contextSize: 512, threads: 1});
const sequence = context.getSequence();
const completion = new LlamaCompletion({contextSequence: sequence});
let turn = Promise.resolve();

async function complete({prompt, max_tokens: maxTokens = 16, stop = []}) {
    const choices = [];
    for (const [index, text] of [prompt].flat().entries()) {
        await sequence.clearHistory();
        const answer = await completion.generateCompletion(text, {maxTokens, temperature: 0, customStopTriggers: [stop].flat()});
        choices.push({index, text: answer, finish_reason: "length", logprobs: null});
    }
    return {id: "view", object: "text_completion", model: modelPath, choices};
}

http.createServer((request, response) => {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
        turn = turn.then(async () => {
            try {
                const answer = request.method === "POST" ? await complete(JSON.parse(body)) : {object: "list", data: [{id: modelPath, object: "model"}]};
                response.writeHead(200, {"content-type": "application/json"}).end(JSON.stringify(answer));
            } catch (error) {
                response.writeHead(400).end(String(error));
            }
        });
    });
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
