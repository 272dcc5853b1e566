import asyncio

import tornado.websocket

import script


async def main():
    url, offer = script.arguments()
    ws = await tornado.websocket.websocket_connect(url, compression_options={} if offer else None)
    await ws.write_message(script.TEXT)
    await ws.write_message(script.BINARY, binary=True)
    await ws.write_message("".join(script.PARTS))
    await ws.write_message(script.LARGE)
    while (message := await ws.read_message()) is not None:
        if script.heard(message):
            ws.close(1000)
    script.closed(ws.close_code)


asyncio.run(main())
