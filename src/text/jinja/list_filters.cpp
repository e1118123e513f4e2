// Filters that go through their value.
#include <algorithm>
#include <array>
#include <utility>

#include "core/limits.h"
#include "core/utf8.h"
#include "text/jinja/among.h"
#include "text/jinja/filters.h"
#include "text/jinja/lexer.h"
#include "text/jinja/text_functions.h"
#include "text/unicode.h"

namespace instructblip::jinja {
namespace {

// The member `path` of `value`: names and numbers with dots between them.
Value member(const Value& value, const Value& path) {
  if (!path.text()) return subscript(value, path);
  Value found = value;
  for (const std::string& name : split_at(*path.text(), ".", -1, /*from_right=*/false)) {
    const bool digits = !name.empty() && name.size() < 10 &&
                        std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
    found = subscript(found, digits ? Value::of(std::int64_t{std::stoi(name)}) : Value::of(name));
  }
  return found;
}

// The arguments behind the first `count`.
Arguments behind(const Arguments& arguments, std::size_t count) {
  Arguments rest{.line = arguments.line};
  for (std::size_t i = count; i < arguments.values.size(); ++i) {
    rest.values.push_back(arguments.values[i]);
    rest.names.push_back(arguments.names[i]);
  }
  return rest;
}

const std::string& name_at(std::string_view filter, const Arguments& arguments, std::size_t place) {
  if (arguments.values.size() <= place || !arguments.values[place].text()) {
    refuse(arguments.line, "the filter '" + std::string(filter) + "' without a name");
  }
  return *arguments.values[place].text();
}

// select, reject, selectattr, rejectattr.
Value chosen(std::string_view filter, const Value& value, const Arguments& arguments) {
  const bool by_member = filter.ends_with("attr");
  const bool wanted = filter.starts_with("select");
  const std::size_t place = by_member ? 1 : 0;
  if (by_member && arguments.values.empty()) {
    refuse(arguments.line, "the filter '" + std::string(filter) + "' without an attribute");
  }
  List list;
  for (const Value& item : items_of(value, arguments.line)) {
    const Value looked_at = by_member ? member(item, arguments.values[0]) : item;
    const bool passes =
        arguments.values.size() > place
            ? apply_test(name_at(filter, arguments, place), looked_at, behind(arguments, place + 1))
            : looked_at.truth();
    if (passes == wanted) list.push_back(item);
  }
  return Value::iterator(std::move(list));
}

Value mapped(const Value& value, const Arguments& arguments) {
  const Value* attribute = arguments.find(SIZE_MAX, "attribute");
  const Value* fallback = arguments.find(SIZE_MAX, "default");
  List list;
  for (const Value& item : items_of(value, arguments.line)) {
    if (!attribute) {
      list.push_back(apply_filter(name_at("map", arguments, 0), item, behind(arguments, 1)));
      continue;
    }
    const Value found = member(item, *attribute);
    list.push_back(found.is_undefined() && fallback ? *fallback : found);
  }
  return Value::iterator(std::move(list));
}

Value joined(const Value& value, const Arguments& arguments) {
  const Value* between = arguments.find(0, "d");
  const Value* attribute = arguments.find(1, "attribute");
  std::string text;
  bool first = true;
  for (const Value& item : items_of(value, arguments.line)) {
    if (!first && between) text += between->str();
    first = false;
    text += (attribute ? member(item, *attribute) : item).str();
    if (std::ssize(text) > limits::kTemplateOutput) refuse(arguments.line, "a text too long");
  }
  return Value::of(std::move(text));
}

// What sort, unique, groupby, min and max compare: a member, with texts in small letters.
class Keys {
 public:
  // `case_place` and `attribute_place`: where the filter has those arguments.
  Keys(const Arguments& arguments, std::size_t case_place, std::size_t attribute_place)
      : attribute_(arguments.find(attribute_place, "attribute")),
        fallback_(arguments.find(SIZE_MAX, "default")) {
    const Value* sensitive = arguments.find(case_place, "case_sensitive");
    keeps_case_ = sensitive != nullptr && sensitive->truth();
    if (attribute_ && attribute_->is_none()) attribute_ = nullptr;
  }

  Value of(const Value& item) const { return folded(plain(item)); }

  // The member itself.
  Value plain(const Value& item) const {
    if (!attribute_) return item;
    if (!attribute_->text()) return or_default(member(item, *attribute_));
    const auto paths = split_at(*attribute_->text(), ",", -1, /*from_right=*/false);
    if (paths.size() == 1) return or_default(member(item, *attribute_));
    List all;
    for (const std::string& path : paths) all.push_back(member(item, Value::of(path)));
    return Value::of(std::move(all));
  }

 private:
  Value or_default(Value value) const {
    return value.is_undefined() && fallback_ ? *fallback_ : value;
  }

  Value folded(const Value& key) const {
    if (keeps_case_) return key;
    if (key.text()) {
      return Value::of(utf8::from_utf32(unicode::python_lowercase(utf8::to_utf32(*key.text()))));
    }
    if (!attribute_ || !key.list() || key.is_tuple()) return key;
    List all;
    for (const Value& part : *key.list()) all.push_back(folded(part));
    return Value::of(std::move(all));
  }

  const Value* attribute_;
  const Value* fallback_;
  bool keeps_case_ = false;
};

struct Keyed {
  Value key;
  Value item;
};

std::vector<Keyed> keyed(const List& items, const Keys& keys) {
  std::vector<Keyed> all;
  for (const Value& item : items) all.push_back({keys.of(item), item});
  return all;
}

// In the order of their keys, equal ones as they stood.
void sort_keyed(std::vector<Keyed>& items, bool reverse, int line) {
  for (std::size_t i = 1; i < items.size(); ++i) {
    compare("<", items[i].key, items[0].key, line);  // throws for types that have no order
  }
  std::ranges::stable_sort(items, [&](const Keyed& a, const Keyed& b) {
    return reverse ? compare("<", b.key, a.key, line) : compare("<", a.key, b.key, line);
  });
}

Value items_only(std::vector<Keyed> items) {
  List list;
  for (Keyed& item : items) list.push_back(std::move(item.item));
  return Value::of(std::move(list));
}

bool is_set(const Arguments& arguments, std::size_t place, std::string_view name) {
  const Value* found = arguments.find(place, name);
  return found != nullptr && found->truth();
}

Value sorted(const Value& value, const Arguments& arguments) {
  auto items = keyed(items_of(value, arguments.line), Keys(arguments, 1, 2));
  sort_keyed(items, is_set(arguments, 0, "reverse"), arguments.line);
  return items_only(std::move(items));
}

Value sorted_dict(const Value& value, const Arguments& arguments) {
  if (!value.dict()) refuse_value("dictsort", value, arguments.line);
  const Value* by = arguments.find(1, "by");
  const bool by_value = by != nullptr && by->str() == "value";
  const Value pairs = call_method("items", value, {.line = arguments.line});
  const Keys keys(arguments, 0, SIZE_MAX);
  std::vector<Keyed> items;
  for (const Value& pair : pairs.sequence()->items) {
    items.push_back({keys.of((*pair.list())[by_value ? 1 : 0]), pair});
  }
  sort_keyed(items, is_set(arguments, 2, "reverse"), arguments.line);
  return items_only(std::move(items));
}

Value unique(const Value& value, const Arguments& arguments) {
  List seen, kept;
  for (const Keyed& item : keyed(items_of(value, arguments.line), Keys(arguments, 0, 1))) {
    if (std::ranges::any_of(seen, [&](const Value& key) { return key.equals(item.key); })) continue;
    if (seen.size() == 4096) refuse(arguments.line, "'unique' of that many items");
    seen.push_back(item.key);
    kept.push_back(item.item);
  }
  return Value::iterator(std::move(kept));
}

Value extreme(std::string_view filter, const Value& value, const Arguments& arguments) {
  const auto items = keyed(items_of(value, arguments.line), Keys(arguments, 0, 1));
  if (items.empty()) return Value::undefined("the " + std::string(filter) + " of nothing");
  const Keyed* best = &items.front();
  for (const Keyed& item : items) {
    const bool better = filter == "min" ? compare("<", item.key, best->key, arguments.line)
                                        : compare(">", item.key, best->key, arguments.line);
    if (better) best = &item;
  }
  return best->item;
}

Value grouped(const Value& value, const Arguments& arguments) {
  const Keys keys(arguments, 2, 0);
  auto items = keyed(items_of(value, arguments.line), keys);
  sort_keyed(items, /*reverse=*/false, arguments.line);
  List groups;
  for (std::size_t i = 0; i < items.size();) {
    List group;
    const std::size_t first = i;
    for (; i < items.size() && items[i].key.equals(items[first].key); ++i) {
      group.push_back(items[i].item);
    }
    groups.push_back(
        Value::of(Sequence{.kind = Sequence::Kind::group,
                           .items = {keys.plain(items[first].item), Value::of(std::move(group))}}));
  }
  return Value::of(std::move(groups));
}

Value summed(const Value& value, const Arguments& arguments) {
  const Value* attribute = arguments.find(0, "attribute");
  const Value* start = arguments.find(1, "start");
  Value total = start ? *start : Value::of(std::int64_t{0});
  for (const Value& item : items_of(value, arguments.line)) {
    const Value& part = attribute && !attribute->is_none() ? member(item, *attribute) : item;
    if (total.text() || part.text()) refuse(arguments.line, "the filter 'sum' of texts");
    total = binary("+", total, part, arguments.line);
  }
  return total;
}

std::int64_t count_at(std::string_view filter, const Arguments& arguments, std::string_view name) {
  const Value* count = arguments.find(0, name);
  if (!count || !count->integer() || *count->integer() < 1 ||
      *count->integer() > limits::kTemplateItems) {
    refuse(arguments.line, "the filter '" + std::string(filter) + "' without a number of items");
  }
  return *count->integer();
}

Value batched(const Value& value, const Arguments& arguments) {
  const auto size = static_cast<std::size_t>(count_at("batch", arguments, "linecount"));
  const Value* filling = arguments.find(1, "fill_with");
  List lines;
  List line;
  const auto end_line = [&] { lines.push_back(Value::of(std::exchange(line, {}))); };
  for (const Value& item : items_of(value, arguments.line)) {
    if (line.size() == size) end_line();
    line.push_back(item);
  }
  if (!line.empty()) {
    if (filling && !filling->is_none()) line.resize(size, *filling);
    end_line();
  }
  return Value::iterator(std::move(lines));
}

Value sliced(const Value& value, const Arguments& arguments) {
  const auto count = static_cast<std::size_t>(count_at("slice", arguments, "slices"));
  const Value* filling = arguments.find(1, "fill_with");
  const List items = items_of(value, arguments.line);
  const std::size_t each = items.size() / count;
  const std::size_t longer = items.size() % count;
  List slices;
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t size = each + (i < longer ? 1 : 0);
    const auto begin = items.begin() + static_cast<std::ptrdiff_t>(at);
    List slice(begin, begin + static_cast<std::ptrdiff_t>(size));
    at += size;
    if (filling && !filling->is_none() && i >= longer) slice.push_back(*filling);
    slices.push_back(Value::of(std::move(slice)));
  }
  return Value::iterator(std::move(slices));
}

Value length_of(const Value& value, int line) {
  const Sequence* sequence = value.sequence();
  if (sequence && sequence->kind != Sequence::Kind::iterator) {
    return Value::of(std::int64_t{std::ssize(sequence->items)});
  }
  if (value.text()) return Value::of(std::int64_t{std::ssize(utf8::to_utf32(*value.text()))});
  if (value.dict() && value.dict()->kind == Dict::Kind::mapping) {
    return Value::of(std::int64_t{std::ssize(value.dict()->members)});
  }
  if (value.is_undefined()) return Value::of(std::int64_t{0});
  refuse_value("length", value, line);
}

// first, last: what is undefined of nothing.
Value end_of(std::string_view filter, const Value& value, int line) {
  Sequence* const held = value.sequence();
  if (held && held->kind == Sequence::Kind::iterator) {
    if (filter == "last") refuse_value(filter, value, line);
    if (held->taken < held->items.size()) return held->items[held->taken++];
  }
  const List items = items_of(value, line);
  if (items.empty()) return Value::undefined("the " + std::string(filter) + " of nothing");
  return filter == "first" ? items.front() : items.back();
}

Value reversed(const Value& value, int line) {
  if (value.text()) {
    std::u32string codes = utf8::to_utf32(*value.text());
    std::ranges::reverse(codes);
    return Value::of(utf8::from_utf32(codes));
  }
  const bool iterates = value.sequence() && value.sequence()->kind == Sequence::Kind::iterator;
  List items = items_of(value, line);
  std::ranges::reverse(items);
  return iterates ? Value::of(std::move(items)) : Value::iterator(std::move(items));
}

Value pairs_of(const Value& value, int line) {
  if (value.is_undefined()) return Value::iterator({});
  if (!value.dict()) refuse_value("items", value, line);
  return Value::iterator(call_method("items", value, {.line = line}).sequence()->items);
}

}  // namespace

std::optional<Value> filter_list(std::string_view name, const Value& value,
                                 const Arguments& arguments) {
  const int line = arguments.line;
  if (among(name, {"select", "reject", "selectattr", "rejectattr"})) {
    return chosen(name, value, arguments);
  }
  if (name == "map") return mapped(value, arguments);
  if (name == "join") return joined(value, arguments);
  if (name == "length" || name == "count") return length_of(value, line);
  if (name == "first" || name == "last") return end_of(name, value, line);
  if (name == "list") return Value::of(items_of(value, line));
  if (name == "items") return pairs_of(value, line);
  if (name == "reverse") return reversed(value, line);
  if (name == "sort") return sorted(value, arguments);
  if (name == "dictsort") return sorted_dict(value, arguments);
  if (name == "unique") return unique(value, arguments);
  if (name == "min" || name == "max") return extreme(name, value, arguments);
  if (name == "groupby") return grouped(value, arguments);
  if (name == "sum") return summed(value, arguments);
  if (name == "batch") return batched(value, arguments);
  if (name == "slice") return sliced(value, arguments);
  return std::nullopt;
}

}  // namespace instructblip::jinja
