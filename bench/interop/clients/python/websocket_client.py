import struct

import websocket
from websocket import ABNF

import script

url, _ = script.arguments()
ws = websocket.create_connection(url)
ws.send(script.TEXT)
ws.send_binary(script.BINARY)
for i, part in enumerate(script.PARTS):
    opcode = ABNF.OPCODE_TEXT if i == 0 else ABNF.OPCODE_CONT
    ws.send_frame(ABNF.create_frame(part, opcode, int(i == len(script.PARTS) - 1)))
ws.send(script.LARGE)
while True:
    opcode, data = ws.recv_data()
    if opcode == ABNF.OPCODE_CLOSE:
        script.closed(struct.unpack("!H", data[:2])[0])
        break
    if script.heard(data.decode() if opcode == ABNF.OPCODE_TEXT else data):
        ws.send_close(1000)
ws.shutdown()
