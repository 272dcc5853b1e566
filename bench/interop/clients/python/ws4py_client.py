from ws4py.client.threadedclient import WebSocketClient

import script


class Client(WebSocketClient):
    def opened(self):
        self.send(script.TEXT)
        self.send(script.BINARY, binary=True)
        self.send(part.encode() for part in script.PARTS)
        self.send(script.LARGE)

    def received_message(self, message):
        if script.heard(str(message) if message.is_text else message.data):
            self.close(1000)

    def closed(self, code, reason=None):
        script.closed(code)


url, _ = script.arguments()
client = Client(url)
client.connect()
client.run_forever()
