// What every Node.js client sends, and how it tells what it heard.
exports.text = 'Grüße, 世界 🙂';
exports.binary = Buffer.from(Array.from({length: 256}, (_, i) => i));
exports.parts = ['frag', 'men', 'ted'];
exports.large = 'x'.repeat(65536);

exports.url = process.argv[2];
exports.offer = process.argv[3] === 'offer';

// heard tells of a message, and returns whether it asks to close.
exports.heard = (payload, isBinary) => {
  console.log(isBinary ? 'binary' : 'text', Buffer.from(payload).toString('hex'));
  return !isBinary && payload.toString() === 'bye';
};

exports.closed = code => console.log('closed', code);
