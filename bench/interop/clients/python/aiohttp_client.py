import asyncio

import aiohttp

import script


async def main():
    url, offer = script.arguments()
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, compress=15 if offer else 0) as ws:
            await ws.send_str(script.TEXT)
            await ws.send_bytes(script.BINARY)
            await ws.send_str("".join(script.PARTS))
            await ws.send_str(script.LARGE)
            async for message in ws:
                if script.heard(message.data):
                    await ws.close(code=1000)
            script.closed(ws.close_code)


asyncio.run(main())
