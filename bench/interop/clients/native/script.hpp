// What every C++ client sends, and how it tells what it heard.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

struct Message {
    bool text;
    std::vector<std::string> parts;
};

inline std::vector<Message> script() {
    std::string every;
    for (int i = 0; i < 256; i++) {
        every.push_back(static_cast<char>(i));
    }
    return {
        {true, {"Grüße, 世界 🙂"}},
        {false, {every}},
        {true, {"frag", "men", "ted"}},
        {true, {std::string(65536, 'x')}},
    };
}

// heard tells of a message, and returns whether it asks to close.
inline bool heard(bool text, const std::string &payload) {
    std::printf("%s ", text ? "text" : "binary");
    for (unsigned char c : payload) {
        std::printf("%02x", c);
    }
    std::printf("\n");
    std::fflush(stdout);
    return text && payload == "bye";
}

inline void closed(int code) {
    std::printf("closed %d\n", code);
}
