import asyncio

import websockets.client

import script


async def main():
    url, offer = script.arguments()
    compression = "deflate" if offer else None
    async with websockets.client.connect(url, compression=compression) as ws:
        for message in [script.TEXT, script.BINARY, script.PARTS, script.LARGE]:
            await ws.send(message)
        async for message in ws:
            if script.heard(message):
                await ws.close(1000)
    script.closed(ws.close_code)


asyncio.run(main())
