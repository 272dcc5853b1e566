#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <iostream>
#include <regex>

#include "script.hpp"

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

static void talk(const std::string &host, const std::string &port, const std::string &path, bool offer) {
    asio::io_context io;
    websocket::stream<asio::ip::tcp::socket> ws(io);
    asio::connect(ws.next_layer(), asio::ip::tcp::resolver(io).resolve(host, port));
    websocket::permessage_deflate deflate;
    deflate.client_enable = offer;
    ws.set_option(deflate);
    ws.handshake(host + ":" + port, path);
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

int main(int argc, char **argv) {
    if (argc == 2) {
        std::cout << BOOST_LIB_VERSION << "\n";
        return 0;
    }
    std::smatch part;
    const std::string url = argv[1];
    if (argc != 3 || !std::regex_match(url, part, std::regex("ws://([^:/]+):([0-9]+)(/.*)"))) {
        std::cerr << "usage: beast ws://HOST:PORT/PATH plain|offer\n";
        return 2;
    }
    try {
        talk(part[1], part[2], part[3], std::string(argv[2]) == "offer");
    } catch (const std::exception &e) {
        std::cerr << e.what() << "\n";
        return 1;
    }
}
