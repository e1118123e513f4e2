// tojson, as transformers has it.
#include <algorithm>
#include <optional>
#include <utility>

#include "core/json.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "text/jinja/filters.h"
#include "text/jinja/lexer.h"

namespace instructblip::jinja {
namespace {

class Dump {
 public:
  explicit Dump(const Arguments& arguments) : line_(arguments.line) {
    const Value* ascii = arguments.find(0, "ensure_ascii");
    const Value* indent = arguments.find(1, "indent");
    const Value* separators = arguments.find(2, "separators");
    const Value* sorted = arguments.find(3, "sort_keys");
    ascii_ = ascii && ascii->truth();
    sorted_ = sorted && sorted->truth();
    if (indent && !indent->is_none()) set_indent(*indent);
    comma_ = indent_ ? "," : ", ";
    if (!separators || separators->is_none()) return;
    const List* both = separators->list();
    if (!both || both->size() != 2 || !(*both)[0].text() || !(*both)[1].text()) {
      refuse(line_, "'tojson' with other separators than two texts");
    }
    comma_ = *(*both)[0].text();
    colon_ = *(*both)[1].text();
  }

  std::string run(const Value& value) {
    dump(value, "\n");
    return std::move(out_);
  }

 private:
  void set_indent(const Value& indent) {
    if (indent.text()) {
      indent_ = *indent.text();
    } else if (indent.integer() && *indent.integer() <= 64) {
      indent_ =
          std::string(static_cast<std::size_t>(std::max<std::int64_t>(0, *indent.integer())), ' ');
    } else {
      refuse(line_, "the indent of 'tojson'");
    }
  }

  template <typename Entry>
  void entries(std::size_t count, char open, char close, const std::string& newline,
               const Entry& entry) {
    out_ += open;
    const std::string inner = newline + indent_.value_or("");
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out_ += comma_;
      if (indent_) out_ += inner;
      entry(i, inner);
    }
    if (indent_ && count > 0) out_ += newline;
    out_ += close;
  }

  void text(const std::string& value) {
    const std::string literal = json_literal(value);
    if (!ascii_) {
      out_ += literal;
      return;
    }
    for (const char32_t code : utf8::to_utf32(literal)) {
      if (code < 0x7F) {
        out_ += static_cast<char>(code);
      } else if (code < 0x10000) {
        unit(code);
      } else {
        unit(0xD800 + ((code - 0x10000) >> 10));
        unit(0xDC00 + ((code - 0x10000) & 0x3FF));
      }
    }
  }

  void unit(char32_t code) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out_ += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out_ += kDigits[(code >> shift) & 15];
  }

  void members(const Dict& dict, const std::string& newline) {
    std::vector<const std::pair<std::string, Value>*> order;
    for (const auto& member : dict.members) order.push_back(&member);
    if (sorted_) {
      std::ranges::stable_sort(order, [](auto* a, auto* b) { return a->first < b->first; });
    }
    entries(order.size(), '{', '}', newline, [&](std::size_t i, const std::string& inner) {
      text(order[i]->first);
      out_ += colon_;
      dump(order[i]->second, inner);
    });
  }

  void dump(const Value& value, const std::string& newline) {
    if (std::ssize(out_) > limits::kTemplateOutput) refuse(line_, "a text that is too long");
    if (value.is_none()) {
      out_ += "null";
    } else if (value.boolean()) {
      out_ += *value.boolean() ? "true" : "false";
    } else if (value.is_number()) {
      const std::string digits = value.repr();
      out_ += digits == "nan"    ? "NaN"
              : digits == "inf"  ? "Infinity"
              : digits == "-inf" ? "-Infinity"
                                 : digits;
    } else if (value.text()) {
      text(*value.text());
    } else if (value.list() && value.sequence()->kind != Sequence::Kind::range) {
      entries(value.list()->size(), '[', ']', newline,
              [&](std::size_t i, const std::string& inner) { dump((*value.list())[i], inner); });
    } else if (value.dict() && value.dict()->kind == Dict::Kind::mapping) {
      members(*value.dict(), newline);
    } else {
      refuse_value("tojson", value, line_);
    }
  }

  int line_;
  bool ascii_ = false;
  bool sorted_ = false;
  std::optional<std::string> indent_;
  std::string comma_, colon_ = ": ";
  std::string out_;
};

}  // namespace

Value to_json(const Value& value, const Arguments& arguments) {
  return Value::of(Dump(arguments).run(value));
}

}  // namespace instructblip::jinja
