#include <cstdlib>
#include <iostream>
#include <type_traits>
#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_client.hpp>
#include <websocketpp/extensions/permessage_deflate/enabled.hpp>
#include <websocketpp/version.hpp>

#include "script.hpp"

// Deflating offers permessage-deflate.
struct Deflating : public websocketpp::config::asio_client {
    struct permessage_deflate_config {};
    typedef websocketpp::extensions::permessage_deflate::enabled<permessage_deflate_config> permessage_deflate_type;
};

template <typename Config>
static int talk(const std::string &url) {
    using Client = websocketpp::client<Config>;
    namespace opcode = websocketpp::frame::opcode;
    Client client;
    int status = 0;
    client.clear_access_channels(websocketpp::log::alevel::all);
    client.clear_error_channels(websocketpp::log::elevel::all);
    client.init_asio();
    if constexpr (std::is_same_v<Config, websocketpp::config::asio_tls_client>) {
        client.set_tls_init_handler([](websocketpp::connection_hdl) {
            namespace ssl = boost::asio::ssl;
            auto tls = std::make_shared<ssl::context>(ssl::context::tls_client);
            tls->load_verify_file(std::getenv("SSL_CERT_FILE"));
            tls->set_verify_mode(ssl::verify_peer);
            return tls;
        });
    }
    client.set_open_handler([&](websocketpp::connection_hdl h) {
        for (const Message &m : script()) {
            std::string whole;
            for (const std::string &part : m.parts) {
                whole += part;
            }
            client.send(h, whole, m.text ? opcode::text : opcode::binary);
        }
    });
    client.set_message_handler([&](websocketpp::connection_hdl h, typename Client::message_ptr m) {
        if (heard(m->get_opcode() == opcode::text, m->get_payload())) {
            client.close(h, websocketpp::close::status::normal, "");
        }
    });
    client.set_close_handler([&](websocketpp::connection_hdl h) {
        closed(client.get_con_from_hdl(h)->get_remote_close_code());
    });
    client.set_fail_handler([&](websocketpp::connection_hdl h) {
        std::cerr << client.get_con_from_hdl(h)->get_ec().message() << "\n";
        status = 1;
    });
    websocketpp::lib::error_code error;
    auto connection = client.get_connection(url, error);
    if (error) {
        std::cerr << error.message() << "\n";
        return 1;
    }
    client.connect(connection);
    client.run();
    return status;
}

int main(int argc, char **argv) {
    if (argc == 2) {
        std::cout << websocketpp::major_version << "." << websocketpp::minor_version << "." << websocketpp::patch_version << "\n";
        return 0;
    }
    if (argc != 3) {
        std::cerr << "usage: websocketpp URL plain|offer\n";
        return 2;
    }
    if (std::string(argv[1]).rfind("wss:", 0) == 0) {
        return talk<websocketpp::config::asio_tls_client>(argv[1]);
    }
    return std::string(argv[2]) == "offer" ? talk<Deflating>(argv[1]) : talk<websocketpp::config::asio_client>(argv[1]);
}
