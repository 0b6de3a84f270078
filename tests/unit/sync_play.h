/*
 * A directory that is played: random changes, and what it sends of them, with
 * what Samba was seen to do: new values of links with ";range=1-1", ended ones
 * with ";range=0-0", a deleted object that leaves its groups without a word.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_SYNC_PLAY_H
#define TEST_SYNC_PLAY_H

#include "tests/unit/sync_entry.h"

#define OBJECTS 24 /* that exist at once, of ... */
#define NUMBERS 4096

/* What an object says; the n-th value of a text is made from its number. */
struct state {
	unsigned number; /* 0: there is none; also the GUID and the RID */
	bool group;
	bool disabled;
	bool broken;                      /* its lockoutTime */
	bool moved;                       /* to an OU of its own */
	unsigned password;                /* times it was set */
	unsigned sam, upn, city, display; /* 0: not there */
	unsigned proxies;                 /* so many */
	unsigned manager;                 /* an object's number */
	unsigned lives;                   /* times it was deleted, and back */
	bool member[OBJECTS];             /* by place */
};

struct play {
	struct state now[OBJECTS], told[OBJECTS];
	struct state grave[OBJECTS]; /* the last that was there */
	unsigned next;               /* number */
	unsigned seed;
	bool implicit; /* UPNs that others' sAMAccountNames stand for */
	bool spaces;   /* blanks in names */
	bool secret;   /* what went may be back before anybody was told */
};

/* 0 .. sides - 1, from the seed. */
unsigned play_dice(struct play *h, unsigned sides);
/* An object comes to this place, which is free. */
void play_make(struct play *h, unsigned place, bool group);
/* Something happens; quiet: nothing that decides about names and ids. */
void play_change(struct play *h, bool quiet);
/* A user comes, goes, or gets a name: mostly one that nobody ever had. */
void play_change_who(struct play *h);

struct message {
	struct test_entry t;
	char text[16][64];
	char dn[OBJECTS + 2][128];
	unsigned ntext, ndn;
};

/* What changed of an object since `told`; blank: all of it. */
void play_say(struct play *h, struct message *m, unsigned place,
	      const struct state *told);
const char *play_dn(const struct state *s);

#endif
