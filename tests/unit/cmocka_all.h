/*
 * cmocka.h with the headers that it wants before it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef CMOCKA_ALL_H
#define CMOCKA_ALL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#endif
