#include "core/boundary.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <system_error>

#include "support/expect_error.h"

namespace instructblip {
namespace {

using test::expect_error;

TEST(Boundary, HandsOnWhatComesBack) {
  EXPECT_EQ(at_boundary([] { return 7; }), 7);
  EXPECT_EQ(call_back([] { return 7; }), 7);
}

TEST(Boundary, EveryExceptionBecomesAnError) {
  expect_error(ErrorCode::busy, "full",
               [] { at_boundary([] { throw Error(ErrorCode::busy, "full"); }); });
  expect_error(ErrorCode::out_of_memory, "out of memory",
               [] { at_boundary([] { throw std::bad_alloc(); }); });
  const auto system_error = [](std::errc code) {
    at_boundary([&] { throw std::system_error(std::make_error_code(code)); });
  };
  expect_error(ErrorCode::out_of_memory, "starts no more threads",
               [&] { system_error(std::errc::resource_unavailable_try_again); });
  expect_error(ErrorCode::internal, "an unexpected failure",
               [&] { system_error(std::errc::bad_file_descriptor); });
  expect_error(ErrorCode::internal, "vector::reserve",
               [] { at_boundary([] { throw std::length_error("vector::reserve\nframe #0"); }); });
}

// Also through a boundary inside another one, where it must not be taken for a failure.
TEST(Boundary, WhatACallbackThrowsLeavesAsItIs) {
  const auto call = [](auto&& callback) {
    at_boundary([&] { at_boundary([&] { call_back(callback); }); });
  };
  EXPECT_THROW(call([] { throw std::out_of_range("the caller's"); }), std::out_of_range);
  EXPECT_THROW(call([] { throw 7; }), int);
  EXPECT_THROW(call([] { throw std::out_of_range("again"); }), std::out_of_range);
}

// A callback may call the library, as any caller.
TEST(Boundary, ACallInACallbackIsACallOfItsOwn) {
  const auto inner = [] {
    at_boundary([] { call_back([] { throw std::out_of_range("inner"); }); });
  };
  const auto callback = [&] {
    EXPECT_THROW(inner(), std::out_of_range);
    EXPECT_THROW(at_boundary([] { throw std::length_error("x"); }), Error);
    throw 7;
  };
  EXPECT_THROW(at_boundary([&] { call_back(callback); }), int);
}

}  // namespace
}  // namespace instructblip
