const {Client} = require('faye-websocket');
const script = require('./script.js');

const ws = new Client(script.url);
ws.on('open', () => {
  ws.send(script.text);
  ws.send(script.binary);
  ws.send(script.parts.join(''));
  ws.send(script.large);
});
ws.on('message', ({data}) => {
  if (script.heard(data, typeof data !== 'string')) ws.close(1000);
});
ws.on('close', ({code}) => script.closed(code));
