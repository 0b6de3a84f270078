/*
 * The world of names_world.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <security/pam_ext.h>

#include "dssyncctl/ctl.h"
#include "lib/buf.h"
#include "lib/snapshot_stamp.h"
#include "pam_dssync/internal.h"
#include "synccache/sync/pins.h"
#include "synccache/sync/snapshots.h"
#include "tests/unit/names_world.h"
#include "tests/unit/pam_seams.h"
#include "tests/unit/sync_scope.h"

enum nss_status _nss_dssync_getpwnam_r(const char *, struct passwd *, char *,
				       size_t, int *);
enum nss_status _nss_dssync_getgrnam_r(const char *, struct group *, char *,
				       size_t, int *);

const char *const nw_way_names[NW_WAYS] = { "NSS", "PAM", "CLI", "explain" };

/* ---- the modules' seams --------------------------------------------------
 */

char nss_test_path[PAM_TEST_PATH_MAX];
uid_t nss_test_owner;
char pam_test_snapshot[PAM_TEST_PATH_MAX];
uid_t pam_test_owner;

static long now = 1;

long nss_test_now(void)
{
	return now;
}

static const char *local_name;
static uint32_t local_uid;

void nw_local_user(const char *name, uint32_t uid)
{
	local_name = name;
	local_uid = uid;
}

/* passwd: files dssync, with one line in files. */
int pam_test_getpwnam_r(const char *name, struct passwd *pw, char *buf,
			size_t size, struct passwd **ret)
{
	int err = 0;

	*ret = NULL;
	if (local_name && strcmp(name, local_name) == 0) {
		pw->pw_uid = local_uid;
		*ret = pw;
		return 0;
	}
	switch (_nss_dssync_getpwnam_r(name, pw, buf, size, &err)) {
	case NSS_STATUS_SUCCESS:
		*ret = pw;
		return 0;
	case NSS_STATUS_NOTFOUND:
		return 0;
	default:
		return err;
	}
}

void pam_syslog(const pam_handle_t *pamh, int priority, const char *fmt, ...)
{
	(void)pamh, (void)priority, (void)fmt;
}

const char *pds_quote(char buf[PDS_QUOTED_MAX], const char *s)
{
	(void)buf;
	return s;
}

/* ---- what dssyncctl would print ------------------------------------------
 */

static json_t *printed;

static void keep_printed(json_t *root)
{
	if (printed)
		json_decref(printed);
	printed = root;
}

int ctl_json(json_t *root)
{
	assert_non_null(root);
	keep_printed(root);
	return CTL_OK;
}

/* Exact for any byte, unlike the program's: a code point a byte. */
json_t *ctl_text(const char *s)
{
	char text[2 * 4096 + 1], *out = text;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		assert_true(out < text + sizeof(text) - 2);
		if (c >= 0x80)
			*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
	}
	return json_stringn(text, (size_t)(out - text));
}

static void untext(const char *s, char *buf)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c >= 0x80)
			c = (unsigned char)(c << 6 | (*++s & 0x3f));
		*buf++ = (char)c;
	}
	*buf = '\0';
}

void ctl_row(const char *label, const char *fmt, ...)
{
	(void)label, (void)fmt;
}

void ctl_complain(const char *fmt, ...)
{
	(void)fmt;
}

int ctl_open_snapshot(struct ds_snap *ret_snap)
{
	return ds_snap_open(nss_test_path, DS_SNAP_BASE, geteuid(), ret_snap);
}

const char *nw_explained(void)
{
	static char *text;

	free(text);
	text = json_dumps(printed, 0);
	assert_non_null(text);
	return text;
}

/* ---- objects -------------------------------------------------------------
 */

void nw_init(struct names_world *w)
{
	memset(w, 0, sizeof(*w));
	default_config(&w->config);
	w->facts = facts_of(&w->config, &w->locals);
	nw_clear(w);
}

void nw_clear(struct names_world *w)
{
	dss_arena_done(&w->arena);
	w->count = 0;
	nw_group(w, NW_USERS_RID, "Domain Users");
}

void nw_done(struct names_world *w)
{
	dss_arena_done(&w->arena);
	keep_printed(NULL);
}

static struct dss_object *add(struct names_world *w, enum dss_kind kind,
			      uint32_t rid, const char *sam)
{
	struct ds_guid guid = { { (uint8_t)(rid >> 16), (uint8_t)(rid >> 8),
				  (uint8_t)rid, 1 } };
	struct dss_object *obj = &w->objs[w->count++];

	assert_true(w->count <= NW_OBJECTS);
	dss_object_init(obj, &guid);
	obj->kind = kind;
	obj->sam = sam;
	obj->dn = "CN=x,OU=AADDC Users," BASE_DN;
	obj->created = 1000 + rid;
	obj->present = DSS_F_CLASS | DSS_F_SID | DSS_F_SAM | DSS_F_CREATED;
	assert_int_equal(ds_sid_join(&w->facts.domain_sid, rid, &obj->sid), 0);
	return obj;
}

struct dss_object *nw_user(struct names_world *w, uint32_t rid,
			   const char *sam, const char *upn)
{
	struct dss_object *obj = add(w, DSS_KIND_USER, rid, sam);

	obj->upn = upn;
	obj->uac = 0x200;
	obj->primary_rid = NW_USERS_RID;
	obj->uid_number = BASE_ID + rid;
	obj->present |= DSS_F_UAC | DSS_F_PRIMARY | DSS_F_UID_NUMBER;
	return obj;
}

struct dss_object *nw_group(struct names_world *w, uint32_t rid,
			    const char *sam)
{
	struct dss_object *obj = add(w, DSS_KIND_GROUP, rid, sam);

	obj->group_type = 0x80000002u;
	obj->gid_number = BASE_ID + rid;
	obj->present |= DSS_F_GROUP_TYPE | DSS_F_GID_NUMBER;
	return obj;
}

void nw_history(struct names_world *w, struct dss_object *obj, const char *sid)
{
	size_t cap = obj->history_len + 4 + DS_SID_BIN_MAX;
	uint8_t *data = dss_arena_alloc(&w->arena, cap, 1);
	uint8_t bin[DS_SID_BIN_MAX];
	struct ds_writer out;
	struct ds_sid value;

	assert_non_null(data);
	assert_int_equal(ds_sid_parse_str(sid, &value), 0);
	if (obj->history_len > 0)
		memcpy(data, obj->history, obj->history_len);
	ds_writer_init(&out, data + obj->history_len, cap - obj->history_len);
	ds_put_blob(&out, bin, ds_sid_to_bin(&value, bin));
	assert_int_equal(out.err, 0);
	obj->history = data;
	obj->history_len += out.len;
	obj->nhistory++;
	obj->present |= DSS_F_HISTORY;
}

/* ---- publishing ----------------------------------------------------------
 */

static char dir[] = "/tmp/dssync-names.XXXXXX";

int nw_group_setup(void **state)
{
	(void)state;
	nss_test_owner = pam_test_owner = geteuid();
	if (!mkdtemp(dir))
		return -1;
	snprintf(nss_test_path, sizeof(nss_test_path), "%s/base", dir);
	strcpy(pam_test_snapshot, nss_test_path);
	return 0;
}

int nw_group_teardown(void **state)
{
	(void)state;
	unlink(nss_test_path);
	return rmdir(dir);
}

const char *nw_path(void)
{
	return nss_test_path;
}

void nw_publish(struct names_world *w, struct dss_model *ret_model)
{
	static const uint64_t key[2] = { 1, 2 };
	struct ds_snap_stamp stamp = {
		.kind = DS_SNAP_BASE,
		.policy = ds_config_policy(&w->config),
		.generation = ++w->generation,
		.id_min = w->config.identity.id_range.min,
		.id_max = w->config.identity.id_range.max,
		.domain = DOMAIN,
	};
	char tmp[PAM_TEST_PATH_MAX + 8];
	struct ds_snapw *writer = NULL;
	struct dss_model model;
	int from = memfd_create("stage", MFD_CLOEXEC), to;

	assert_int_equal(scope_mark(&w->facts, w->objs, w->count), 0);
	assert_int_equal(dss_model_build(w->objs, w->count, &w->facts, &model),
			 0);
	assert_int_equal(
	    dss_snapshot_base(&model, NETBIOS, key, from, &writer), 0);
	assert_int_equal(dss_pins_publish(&model, &w->facts, writer), 0);
	assert_int_equal(ds_snapw_write(writer, from), 0);
	ds_snapw_free(writer);
	snprintf(tmp, sizeof(tmp), "%s.new", nss_test_path);
	to = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(to >= 0);
	assert_int_equal(ds_snap_stamp_copy(from, to, 1 << 24, &stamp), 0);
	assert_int_equal(fchmod(to, 0644), 0);
	assert_int_equal(close(from), 0);
	assert_int_equal(close(to), 0);
	assert_int_equal(rename(tmp, nss_test_path), 0);
	now++;
	if (ret_model)
		*ret_model = model;
	else
		dss_model_done(&model);
}

/* ---- asking --------------------------------------------------------------
 */

static void ask_nss(bool group, const char *typed, struct nw_answer *answer)
{
	struct passwd pw;
	struct group gr;
	char buf[8192];
	int err;

	if (group) {
		if (_nss_dssync_getgrnam_r(typed, &gr, buf, sizeof(buf),
					   &err) != NSS_STATUS_SUCCESS)
			return;
		answer->id = gr.gr_gid;
		strcpy(answer->name, gr.gr_name);
		return;
	}
	if (_nss_dssync_getpwnam_r(typed, &pw, buf, sizeof(buf), &err) !=
	    NSS_STATUS_SUCCESS)
		return;
	answer->id = pw.pw_uid;
	strcpy(answer->name, pw.pw_name);
}

static void ask_pam(const char *typed, struct nw_answer *answer)
{
	struct pds_call call = { .stage = PDS_AUTH, .user = typed };
	struct pds_identity id;

	if (pds_identify(&call, &id) == 0)
		answer->id = id.uid;
}

static void ask_cli(bool group, const char *typed, struct nw_answer *answer)
{
	const struct ctl_args args = { .name = typed, .json = true };

	keep_printed(NULL);
	if ((group ? ctl_group : ctl_user)(&args) != CTL_OK)
		return;
	answer->id = (uint32_t)json_integer_value(
	    json_object_get(printed, group ? "gid" : "uid"));
	untext(json_string_value(json_object_get(printed, "name")),
	       answer->name);
}

/* explain names the object; its number is then asked of NSS by that name. */
static void ask_explain(bool group, const char *typed,
			struct nw_answer *answer)
{
	const struct ctl_args args = { .name = typed, .json = true };
	const json_t *list;

	keep_printed(NULL);
	(void)ctl_explain(&args);
	list = json_object_get(printed, group ? "groups" : "users");
	if (json_array_size(list) == 0)
		return;
	assert_int_equal(json_array_size(list), 1);
	untext(json_string_value(json_array_get(list, 0)), answer->name);
	ask_nss(group, answer->name, answer);
	assert_int_not_equal(answer->id, 0);
}

static void ask(bool group, enum nw_way way, const char *typed,
		struct nw_answer *ret_answer)
{
	struct nw_answer answer = { .id = 0 };

	if (way == NW_CLI)
		ask_cli(group, typed, &answer);
	else if (way == NW_EXPLAIN)
		ask_explain(group, typed, &answer);
	else if (way == NW_PAM && !group)
		ask_pam(typed, &answer);
	else
		ask_nss(group, typed, &answer);
	*ret_answer = answer;
}

void nw_ask_user(enum nw_way way, const char *typed,
		 struct nw_answer *ret_answer)
{
	ask(false, way, typed, ret_answer);
}

void nw_ask_group(enum nw_way way, const char *typed,
		  struct nw_answer *ret_answer)
{
	ask(true, way, typed, ret_answer);
}
