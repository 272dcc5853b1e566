const {WebSocket} = require('undici');
const script = require('./script.js');

const ws = new WebSocket(script.url);
ws.binaryType = 'arraybuffer';
ws.onopen = () => {
  ws.send(script.text);
  ws.send(script.binary);
  ws.send(script.parts.join(''));
  ws.send(script.large);
};
ws.onmessage = ({data}) => {
  if (script.heard(data, typeof data !== 'string')) ws.close(1000);
};
ws.onclose = ({code}) => script.closed(code);
