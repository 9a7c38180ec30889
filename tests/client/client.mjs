// client.mjs tokens|embedding FILE: one line of what llama.cpp makes of a GGUF file.
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const [mode, modelPath] = process.argv.slice(2);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath, useMmap: true});
if (mode === "embedding") {
    const context = await model.createEmbeddingContext();
    const {vector} = await context.getEmbeddingFor("A view is a file that nobody wrote.");
    console.log(JSON.stringify(vector.slice(0, 64)));
} else {
    const context = await model.createContext({contextSize: 256});
    const sequence = context.getSequence();
    const tokens = [];
    for await (const token of sequence.evaluate([1, 260, 270, 280, 290], {temperature: 0})) {
        tokens.push(token);
        if (tokens.length === 32) break;
    }
    console.log(JSON.stringify(tokens));
}
await llama.dispose();
process.exit(0);
