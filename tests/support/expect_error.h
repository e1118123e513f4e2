// Expectations about instructblip::Error, the one type that leaves a component.
#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <string>

#include "instructblip/error.h"

namespace instructblip::test {

// `call` must throw Error with `code` and a message that contains `text`. Returns the message.
inline std::string expect_error(ErrorCode code, const std::string& text,
                                const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos)
        << "expected '" << text << "' in: " << error.what();
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception type: " << error.what();
    return {};
  }
  ADD_FAILURE() << "nothing was thrown, expected: " << text;
  return {};
}

}  // namespace instructblip::test
