/// Marks what the shared library exports; everything else is hidden.
#pragma once

#if defined(INSTRUCTBLIP_STATIC)
#define INSTRUCTBLIP_API
#else
#define INSTRUCTBLIP_API __attribute__((visibility("default")))
#endif
