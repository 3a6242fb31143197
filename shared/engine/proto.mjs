const t0=performance.now(); const T=(m)=>console.log(m, Math.round(performance.now()-t0), Math.round(process.memoryUsage().rss/1e6)+'MB');
const { getLlama, LlamaChat, resolveChatWrapper, LlamaCompletion } = await import('node-llama-cpp'); T('import');
const llama = await getLlama({build:'never', gpu:false, logLevel:'error', progressLogs:false, skipDownload:true}); T('getLlama');
const model = await llama.loadModel({modelPath: process.argv[2]}); T('model');
console.log(model.trainContextSize, model.fileInfo.metadata.tokenizer.chat_template);
const ctx = await model.createContext({contextSize: 2048, sequences: 2}); T('ctx');
const seq = ctx.getSequence();
const t1=performance.now();
const w = resolveChatWrapper(model); T('wrapper'); console.log(w.wrapperName, performance.now()-t1);
const chat = new LlamaChat({contextSequence: seq, chatWrapper: w});
for (let i=0;i<3;i++){
 const t=performance.now(); let first, n=0;
 const r = await chat.generateResponse([{type:'system',text:'You are helpful.'},{type:'user',text:'Tell me about the sea.'},{type:'model',response:[]}], {temperature:0, maxTokens:60, repeatPenalty:false, onToken(t){first??=performance.now(); n+=t.length}});
 const e=performance.now(); console.log(r.metadata, n, r.response.slice(0,100), 'ttft', first-t, 'tok/s', (n-1)/((e-first)/1000)); 
}
console.log(seq.tokenMeter.usedInputTokens, seq.tokenMeter.usedOutputTokens);
// raw evaluate
const toks = model.tokenize('The sea is', false); await seq.clearHistory?.();
{const t=performance.now(); let n=0, first; for await (const tok of seq.evaluate(toks,{temperature:0})) {first??=performance.now(); if(++n>=60)break;} console.log('raw', n, (n-1)/((performance.now()-first)/1000), first-t);}
T('end');
