/*
 * The directory of sync_play.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/sync_play.h"

#define TEXTS 4

unsigned play_dice(struct play *h, unsigned sides)
{
	h->seed = h->seed * 1103515245u + 12345u;
	return (h->seed >> 16) % sides;
}

void play_make(struct play *h, unsigned place, bool group)
{
	struct state *s = &h->now[place];

	memset(s, 0, sizeof(*s));
	s->number = h->next++;
	s->group = group;
	s->sam = s->number;
}

/* The links to it end with it, and nobody is told. */
static void vanish(struct play *h, unsigned place)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct state *two[] = { &h->now[i], &h->told[i] };

		for (unsigned k = 0; k < 2; k++) {
			two[k]->member[place] = false;
			if (two[k]->manager == h->now[place].number)
				two[k]->manager = 0;
		}
	}
	h->grave[place] = h->now[place];
	memset(&h->now[place], 0, sizeof(h->now[place]));
}

/* A tombstone has little of what there was, and no links; that those of the
 * object itself ended nobody is told, either. */
static void revive(struct play *h, unsigned place)
{
	const struct state *grave = &h->grave[place];
	struct state *s = &h->now[place], *told = &h->told[place];

	memset(s, 0, sizeof(*s));
	s->number = grave->number;
	s->group = grave->group;
	s->sam = grave->sam;
	s->lives = grave->lives + 1;
	memset(told->member, 0, sizeof(told->member));
	told->manager = 0;
}

static bool may_revive(const struct play *h, unsigned place)
{
	unsigned number = h->grave[place].number;

	return number != 0 && (h->told[place].number == 0 ||
			       (h->told[place].number == number && h->secret));
}

void play_change_who(struct play *h)
{
	unsigned place = 1 + play_dice(h, OBJECTS - 1);
	struct state *s = &h->now[place];

	if (s->group || h->next == NUMBERS)
		return;
	if (s->number == 0) {
		if (h->told[place].number != 0)
			return;
		play_make(h, place, false);
		s->broken = h->implicit && play_dice(h, 3) == 0;
		for (unsigned i = 0; i < OBJECTS; i++)
			h->now[i].member[place] =
			    h->now[i].group && play_dice(h, 3) == 0;
		return;
	}
	if (h->implicit && play_dice(h, 2)) { /* or that somebody else has */
		s->upn = h->now[play_dice(h, OBJECTS)].sam;
		s->broken = play_dice(h, 3) == 0;
		return;
	}
	switch (play_dice(h, 4)) {
	case 0:
		vanish(h, place);
		break;
	case 1:
		s->sam = h->next++ + NUMBERS;
		break;
	case 2:
		s->upn = s->upn ? 0 : NUMBERS + h->next++;
		break;
	default:
		s->upn = NUMBERS + h->next++;
		s->moved = !s->moved;
		s->disabled = play_dice(h, 2);
	}
}

void play_change(struct play *h, bool quiet)
{
	unsigned place = 1 + play_dice(h, OBJECTS - 1);
	unsigned other = play_dice(h, OBJECTS);
	struct state *s = &h->now[place];

	if (s->number == 0 && quiet)
		return;
	if (s->number == 0 && may_revive(h, place) && play_dice(h, 3)) {
		revive(h, place);
		return;
	}
	if (s->number == 0) {
		/* A place is used again when its end was noticed. */
		if (h->told[place].number == 0 && h->next < NUMBERS)
			play_make(h, place, play_dice(h, 3) == 0);
		return;
	}
	switch (quiet ? 3 + play_dice(h, 7) : play_dice(h, 10)) {
	case 0:
		if (play_dice(h, 2))
			vanish(h, place);
		break;
	case 1: /* sometimes somebody else's name */
		s->sam = play_dice(h, 3) ? s->number + NUMBERS
					 : 1 + play_dice(h, h->next - 1);
		break;
	case 2:
		s->upn = play_dice(h, 3) ? s->number : play_dice(h, 5);
		break;
	case 3:
		s->moved = play_dice(h, 2);
		s->city = play_dice(h, TEXTS);
		s->display = play_dice(h, TEXTS);
		break;
	case 4:
		s->proxies = play_dice(h, 4);
		break;
	case 5:
		if (play_dice(h, 2))
			s->disabled = !s->disabled;
		else
			s->password++;
		break;
	case 6:
		if (!s->group)
			s->manager = h->now[other].number;
		break;
	default:
		if (s->group && h->now[other].number)
			s->member[other] = !s->member[other];
	}
}

/* ---- what it sends ---- */

static void say(struct message *m, const char *name, const char *stem,
		unsigned n)
{
	char *text = m->text[m->ntext++];

	if (n == 0) {
		entry_attr(&m->t, name);
		return;
	}
	(void)snprintf(text, sizeof(m->text[0]), "%s%u", stem, n);
	entry_text(&m->t, name, text);
}

/* In a domain of its own, or in that of the sAMAccountNames. */
static void say_upn(const struct play *h, struct message *m, unsigned n)
{
	char *text = m->text[m->ntext++];

	entry_attr(&m->t, "userPrincipalName");
	if (n == 0)
		return;
	(void)snprintf(text, sizeof(m->text[0]),
		       h->implicit ? "name%u@example.com" : "U%u@example.org",
		       n);
	entry_value(&m->t, text, strlen(text));
}

static void say_created(struct message *m, unsigned number)
{
	char *text = m->text[m->ntext++];

	(void)snprintf(text, sizeof(m->text[0]), "20%02u0131120000.0Z",
		       number * 7 % 20);
	entry_text(&m->t, "whenCreated", text);
}

static void say_proxies(struct message *m, unsigned count)
{
	entry_attr(&m->t, "proxyAddresses");
	for (unsigned i = count; i-- > 0;) {
		char *text = m->text[m->ntext++];

		(void)snprintf(text, sizeof(m->text[0]), "smtp:p%u@x", i);
		entry_value(&m->t, text, strlen(text));
	}
}

static void say_link(struct message *m, unsigned number)
{
	char *dn = m->dn[m->ndn++];

	member_dn(number, dn);
	entry_value(&m->t, dn, strlen(dn));
}

static void say_members(struct play *h, struct message *m,
			const struct state *s, const struct state *told)
{
	for (int added = 1; added >= 0; added--) {
		bool begun = false;

		for (unsigned i = 0; i < OBJECTS; i++) {
			if (s->member[i] == told->member[i] ||
			    s->member[i] != added)
				continue;
			if (!begun)
				entry_attr(&m->t, added ? "member;range=1-1"
							: "member;range=0-0");
			begun = true;
			say_link(m, h->now[i].number);
		}
	}
}

static void say_manager(struct message *m, const struct state *s,
			const struct state *told)
{
	if (s->manager == told->manager)
		return;
	if (s->manager) {
		entry_attr(&m->t, "manager;range=1-1");
		say_link(m, s->manager);
	}
	if (told->manager) {
		entry_attr(&m->t, "manager;range=0-0");
		say_link(m, told->manager);
	}
}

const char *play_dn(const struct state *s)
{
	return s->moved ? "CN=x,OU=Linux,DC=example,DC=com"
			: "CN=x,OU=AADDC Users,DC=example,DC=com";
}

void play_say(struct play *h, struct message *m, unsigned place,
	      const struct state *told)
{
	const struct state *s = &h->now[place];
	bool whole = told->number == 0;

	memset(m, 0, sizeof(*m));
	if (!whole)
		entry_begin(&m->t, s->number);
	else if (s->group)
		entry_group(&m->t, s->number, "");
	else
		entry_user(&m->t, s->number, "");
	m->t.e.dn = play_dn(s);
	/* As good as any other order: a later value replaces. */
	if (whole || s->sam != told->sam)
		say(m, "sAMAccountName",
		    h->spaces ? (s->number % 2 ? "na me" : "Na_Me") : "name",
		    s->sam);
	if (s->lives != told->lives)
		entry_attr(&m->t, "isDeleted");
	if (s->upn != told->upn)
		say_upn(h, m, s->upn);
	if (s->city != told->city)
		say(m, "l", "City", s->city);
	if (s->display != told->display)
		say(m, "displayName", "Display ", s->display);
	if (s->proxies != told->proxies)
		say_proxies(m, s->proxies);
	if (!s->group && s->disabled != told->disabled)
		entry_text(&m->t, "userAccountControl",
			   s->disabled ? "514" : "512");
	if (!s->group && s->password != told->password)
		say(m, "pwdLastSet", "13300000000000000", s->password);
	say_manager(m, s, told);
	if (s->group)
		say_members(h, m, s, told);
	/* Whoever comes is not always the newest. */
	if (whole)
		say_created(m, s->number);
	if (s->broken)
		entry_text(&m->t, "lockoutTime", "x");
	else if (told->broken)
		entry_attr(&m->t, "lockoutTime");
	/* The primary group of everybody. */
	if (place == 0 && whole)
		entry_sid(&m->t, 513);
}
