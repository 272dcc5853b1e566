import os

import gi

gi.require_version("Soup", "3.0")
from gi.repository import Gio, GLib, Soup

import script


def connected(session, result):
    global ws  # or it would be collected
    ws = session.websocket_connect_finish(result)
    ws.connect("message", message)
    ws.connect("closed", closed)
    send(Soup.WebsocketDataType.TEXT, script.TEXT.encode())
    send(Soup.WebsocketDataType.BINARY, script.BINARY)
    send(Soup.WebsocketDataType.TEXT, "".join(script.PARTS).encode())
    send(Soup.WebsocketDataType.TEXT, script.LARGE.encode())


def send(kind, payload):
    ws.send_message(kind, GLib.Bytes.new(payload))


def message(ws, kind, payload):
    data = payload.get_data()
    if script.heard(data.decode() if kind == Soup.WebsocketDataType.TEXT else data):
        ws.close(Soup.WebsocketCloseCode.NORMAL, None)


def closed(ws):
    script.closed(ws.get_close_code())
    loop.quit()


url, offer = script.arguments()
session = Soup.Session()
if url.startswith("wss:"):
    session.set_tls_database(Gio.TlsFileDatabase.new(os.environ["SSL_CERT_FILE"]))
if offer:
    session.add_feature_by_type(Soup.WebsocketExtensionManager)
loop = GLib.MainLoop()
session.websocket_connect_async(Soup.Message.new("GET", url), None, None, GLib.PRIORITY_DEFAULT, None, connected)
loop.run()
