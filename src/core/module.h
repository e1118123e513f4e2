// Libraries of our own that are opened when they are first needed, so that a program pays for what
// it uses: LibTorch once a model is loaded, rare image codecs once such a picture comes.
#pragma once

#include <string>

namespace instructblip {

struct ModuleName {
  const char* file;    // in the folder `instructblip` beside the library that holds this code
  const char* symbol;  // the one function that it exports
  // A symbol by which another copy of what the module is linked against is recognised, null where
  // that does no harm. Where the program holds such a copy, the module and what it brings see their
  // own symbols first.
  const char* rival = nullptr;
};

// Where the module of this name lies, or should.
std::string module_place(const char* file);

// The address of `name.symbol`. The module stays open for the life of the process.
// Throws Error(not_found) where the file is missing and Error(unsupported) where it cannot be
// loaded, with the reason that the system gives. May be called from any thread.
void* open_module(const ModuleName& name);

}  // namespace instructblip
