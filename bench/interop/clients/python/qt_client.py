import os

from PyQt5.QtCore import QCoreApplication, QUrl
from PyQt5.QtNetwork import QSslCertificate, QSslConfiguration
from PyQt5.QtWebSockets import QWebSocket

import script


def opened():
    ws.sendTextMessage(script.TEXT)
    ws.sendBinaryMessage(script.BINARY)
    ws.sendTextMessage("".join(script.PARTS))
    ws.sendTextMessage(script.LARGE)


def heard(message):
    if script.heard(message):
        ws.close()  # with 1000


def closed():
    script.closed(ws.closeCode())
    app.quit()


url, _ = script.arguments()
app = QCoreApplication([])
ws = QWebSocket()
ws.connected.connect(opened)
ws.textMessageReceived.connect(heard)
ws.binaryMessageReceived.connect(lambda data: heard(bytes(data)))
ws.disconnected.connect(closed)
if url.startswith("wss:"):
    tls = QSslConfiguration.defaultConfiguration()
    tls.setCaCertificates(QSslCertificate.fromPath(os.environ["SSL_CERT_FILE"]))
    ws.setSslConfiguration(tls)
ws.open(QUrl(url))
app.exec()
