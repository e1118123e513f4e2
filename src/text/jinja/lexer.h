// A chat template cut into text and the tokens of its tags.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace instructblip::jinja {

struct Token {
  enum class Kind {
    data,       // text to print
    block,      // {%
    block_end,  // %}
    print,      // {{
    print_end,  // }}
    name,       // and keywords
    string,     // unescaped
    integer,
    real,
    sign,  // an operator or a bracket
    end,   // end of the template
  };
  Kind kind;
  std::string text;
  int line;
};

// As transformers sets Jinja up: trim_blocks, lstrip_blocks, no trailing newline. The last token is
// `end`. Throws Error(unsupported) naming the line.
std::vector<Token> tokens_of(std::string_view source);

// For what is not known or not well-formed: "line 3: <what>".
[[noreturn]] void refuse(int line, const std::string& what);

}  // namespace instructblip::jinja
