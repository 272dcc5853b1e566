#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <cstdlib>
#include <iostream>
#include <regex>

#include "script.hpp"

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

// talk is the client on a stream that is connected.
template <typename Stream>
static void talk(websocket::stream<Stream> &ws, const std::string &host, const std::string &path, bool offer) {
    websocket::permessage_deflate deflate;
    deflate.client_enable = offer;
    ws.set_option(deflate);
    ws.handshake(host, path);
    for (const Message &m : script()) {
        ws.text(m.text);
        for (std::size_t i = 0; i < m.parts.size(); i++) {
            ws.write_some(i + 1 == m.parts.size(), asio::buffer(m.parts[i]));
        }
    }
    for (;;) {
        beast::flat_buffer buffer;
        beast::error_code error;
        ws.read(buffer, error);
        if (error == websocket::error::closed) {
            break;
        }
        if (error) {
            throw beast::system_error(error);
        }
        if (heard(ws.got_text(), beast::buffers_to_string(buffer.data()))) {
            ws.close(websocket::close_code::normal);
            break;
        }
    }
    closed(ws.reason().code);
}

static void connect(bool secure, const std::string &host, const std::string &port, const std::string &path, bool offer) {
    asio::io_context io;
    const auto there = asio::ip::tcp::resolver(io).resolve(host, port);
    const std::string authority = host + ":" + port;
    if (!secure) {
        websocket::stream<asio::ip::tcp::socket> ws(io);
        asio::connect(ws.next_layer(), there);
        talk(ws, authority, path, offer);
        return;
    }
    asio::ssl::context tls(asio::ssl::context::tls_client);
    tls.load_verify_file(std::getenv("SSL_CERT_FILE"));
    tls.set_verify_mode(asio::ssl::verify_peer);
    websocket::stream<asio::ssl::stream<asio::ip::tcp::socket>> ws(io, tls);
    asio::connect(ws.next_layer().next_layer(), there);
    ws.next_layer().set_verify_callback(asio::ssl::host_name_verification(host));
    ws.next_layer().handshake(asio::ssl::stream_base::client);
    talk(ws, authority, path, offer);
}

int main(int argc, char **argv) {
    if (argc == 2) {
        std::cout << BOOST_LIB_VERSION << "\n";
        return 0;
    }
    std::smatch part;
    const std::string url = argv[1];
    if (argc != 3 || !std::regex_match(url, part, std::regex("ws(s?)://([^:/]+):([0-9]+)(/.*)"))) {
        std::cerr << "usage: beast ws[s]://HOST:PORT/PATH plain|offer\n";
        return 2;
    }
    try {
        connect(part[1].length() > 0, part[2], part[3], part[4], std::string(argv[2]) == "offer");
    } catch (const std::exception &e) {
        std::cerr << e.what() << "\n";
        return 1;
    }
}
