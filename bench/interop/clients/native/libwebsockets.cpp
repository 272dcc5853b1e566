#include <cstdlib>
#include <deque>
#include <iostream>
#include <libwebsockets.h>
#include <regex>

#include "script.hpp"

// Frame is one part of a message, with the room that the library wants before it.
struct Frame {
    std::string bytes;
    int flags;
};

static std::deque<Frame> out;
static std::string in;
static bool closing, over;
static int status;

static void compose() {
    for (const Message &m : script()) {
        for (std::size_t i = 0; i < m.parts.size(); i++) {
            const auto kind = m.text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY;
            out.push_back({std::string(LWS_PRE, 0) + m.parts[i], lws_write_ws_flags(kind, i == 0, i + 1 == m.parts.size())});
        }
    }
}

static int event(struct lws *wsi, enum lws_callback_reasons reason, void *, void *data, size_t size) {
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        compose();
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        if (closing) {
            lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, nullptr, 0);
            return -1;
        }
        if (!out.empty()) {
            Frame f = out.front();
            out.pop_front();
            auto *bytes = reinterpret_cast<unsigned char *>(&f.bytes[LWS_PRE]);
            if (lws_write(wsi, bytes, f.bytes.size() - LWS_PRE, static_cast<lws_write_protocol>(f.flags)) < 0) {
                return -1;
            }
            lws_callback_on_writable(wsi);
        }
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        in.append(static_cast<char *>(data), size);
        if (lws_is_final_fragment(wsi)) {
            closing = heard(!lws_frame_is_binary(wsi), in);
            in.clear();
            if (closing) {
                lws_callback_on_writable(wsi);
            }
        }
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        std::cerr << (data ? static_cast<char *>(data) : "no connection") << "\n";
        status = 1;
        over = true;
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        std::cout << "closed -\n"; // the answer to a close frame is not passed on
        over = true;
        break;
    default:
        break;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2) {
        std::cout << LWS_LIBRARY_VERSION << "\n";
        return 0;
    }
    std::cmatch part;
    if (argc != 3 || !std::regex_match(argv[1], part, std::regex("ws(s?)://([^:/]+):([0-9]+)(/.*)"))) {
        std::cerr << "usage: libwebsockets ws[s]://HOST:PORT/PATH plain|offer\n";
        return 2;
    }
    const struct lws_protocols protocols[] = {{"chat", event, 0, 0, 0, nullptr, 0}, {}};
    const struct lws_extension extensions[] = {
        {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate; client_max_window_bits"}, {}};
    lws_set_log_level(LLL_ERR, nullptr);
    struct lws_context_creation_info info = {};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = protocols;
    if (std::string(argv[2]) == "offer") {
        info.extensions = extensions;
    }
    const bool secure = part[1].length() > 0;
    if (secure) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.client_ssl_ca_filepath = std::getenv("SSL_CERT_FILE");
    }
    struct lws_context *context = lws_create_context(&info);
    if (!context) {
        return 1;
    }
    const std::string host = part[2], path = part[4], authority = host + ":" + part[3].str();
    struct lws_client_connect_info connect = {};
    connect.context = context;
    connect.address = host.c_str();
    connect.port = std::stoi(part[3]);
    connect.path = path.c_str();
    connect.host = authority.c_str();
    connect.local_protocol_name = "chat";
    connect.ssl_connection = secure ? LCCSCF_USE_SSL : 0;
    if (!lws_client_connect_via_info(&connect)) {
        return 1;
    }
    while (!over && lws_service(context, 0) >= 0) {
    }
    lws_context_destroy(context);
    return status;
}
