const WebSocket = require('ws');
const script = require('./script.js');

const ws = new WebSocket(script.url, {perMessageDeflate: script.offer});
ws.on('open', () => {
  ws.send(script.text);
  ws.send(script.binary);
  script.parts.forEach((part, i) => ws.send(part, {fin: i === script.parts.length - 1}));
  ws.send(script.large);
});
ws.on('message', (data, isBinary) => {
  if (script.heard(data, isBinary)) ws.close(1000);
});
ws.on('close', script.closed);
