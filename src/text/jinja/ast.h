// What a chat template's source says, as a tree.
#pragma once

#include <string>
#include <vector>

#include "text/jinja/value.h"

namespace instructblip::jinja {

struct Expression {
  enum class Kind {
    literal,      // value
    name,         // name
    list,         // operands
    tuple,        // operands
    dict,         // operands: key, value, key, value
    attribute,    // operands[0].name
    subscript,    // operands[0][operands[1]]
    slice,        // operands[0][operands[1]:operands[2]:operands[3]], each may be none
    call,         // operands[0](the others, named as in `names`)
    filter,       // operands[0]|name(the others, named as in `names`)
    test,         // operands[0] is name(the others)
    unary,        // name: not, -, +
    binary,       // name: or, and, +, -, ~, *, /, //, %, **
    comparison,   // operands, `names` between them
    conditional,  // operands[1] ? operands[0] : operands[2], which may be missing
  };
  Kind kind = Kind::literal;
  int line = 1;
  int depth = 1;  // nesting, which running it takes stack for
  std::string name = {};
  Value value = {};
  std::vector<Expression> operands = {};
  // Names of arguments: "" where given by place, "*" for many of those, "**" for a dict of named
  // ones.
  std::vector<std::string> names = {};
};

struct Statement {
  enum class Kind {
    data,     // text
    print,    // expressions[0]
    choose,   // if: expressions[i] decides for branches[i]; one branch more is else
    loop,     // for names in expressions[0] (if expressions[1]): branches[0], else branches[1]
    assign,   // set names = expressions[0], or a member of a namespace: text.names[0]
    capture,  // set names = what branches[0] prints, filtered by expressions[0] where there is one
    generation,  // branches[0]
    define,  // macro text(names): branches[0]; expressions are what the last names are otherwise
    call,    // call(names) expressions[0]: branches[0] is the caller; the other expressions are
             // what the last names are otherwise
    filter,  // expressions[0] of what branches[0] prints, which it calls `text`
    with,    // names are the expressions inside of branches[0]
    leave,   // break
    next,    // continue
  };
  Kind kind = Kind::data;
  int line = 1;
  std::string text = {};
  std::vector<std::string> names = {};
  std::vector<Expression> expressions = {};
  std::vector<std::vector<Statement>> branches = {};
  std::vector<std::string> extras = {};  // which of varargs, kwargs and caller a macro's body names
};
using Body = std::vector<Statement>;

// Throws Error(unsupported) naming the line and what is not known there.
Body parse(std::string_view source);

}  // namespace instructblip::jinja
