import os
from urllib.parse import urlsplit

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateResponse,
    PerMessageDeflateResponseAccept,
)
from twisted.internet import reactor, ssl

import script


class Client(WebSocketClientProtocol):
    def onOpen(self):
        self.sendMessage(script.TEXT.encode())
        self.sendMessage(script.BINARY, isBinary=True)
        self.sendMessage("".join(script.PARTS).encode(), fragmentSize=4)
        self.sendMessage(script.LARGE.encode())

    def onMessage(self, payload, isBinary):
        if script.heard(payload if isBinary else payload.decode()):
            self.sendClose(1000)

    def onClose(self, wasClean, code, reason):
        script.closed(self.remoteCloseCode)
        reactor.stop()


def accept(response):
    if isinstance(response, PerMessageDeflateResponse):
        return PerMessageDeflateResponseAccept(response)


url, offer = script.arguments()
factory = WebSocketClientFactory(url)
factory.protocol = Client
if offer:
    factory.setProtocolOptions(
        perMessageCompressionOffers=[PerMessageDeflateOffer()],
        perMessageCompressionAccept=accept,
    )
if factory.isSecure:
    believed = ssl.Certificate.loadPEM(open(os.environ["SSL_CERT_FILE"]).read())
    tls = ssl.optionsForClientTLS(urlsplit(url).hostname, trustRoot=believed)
    reactor.connectSSL(urlsplit(url).hostname, urlsplit(url).port, factory, tls)
else:
    reactor.connectTCP(urlsplit(url).hostname, urlsplit(url).port, factory)
reactor.run()
