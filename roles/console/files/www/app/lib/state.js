// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** What the page knows, each thing once: who is logged in, the cluster as last told, journal, connection. */
import { batch, computed, signal } from "@preact/signals";
import { change, get, whenLoggedOut } from "./api.js";
import { listen } from "./events.js";
import { arrive, isBack } from "./provider.js";

/** undefined: not known yet; null: nobody; else {user, role, expires}. */
export const session = signal(undefined);
export const look = signal(null);
export const connection = signal({ state: "connecting", since: Date.now(), error: null });
/** Entries of the journal, newest first; null before they are read. */
export const journal = signal(null);
/** The moment, for what says "12 s ago". */
export const clock = signal(Date.now());
export const notices = signal([]);
/** Why the console cannot tell how the cluster is, {message, remedy}; null while it can. */
export const trouble = signal(null);
/** Operations by id, of this session's actions and the cluster's looks. */
const told = signal({});

const ROLES = ["viewer", "operator", "admin"];
const KEPT = 1000;

export const guests = computed(() => look.value?.guests ?? []);
export const nodes = computed(() => look.value?.nodes ?? []);
export const operations = computed(() => {
  const known = { ...told.value };
  for (const one of look.value?.operations ?? []) known[one.id] = one;
  return Object.values(known).sort((a, b) => (a.since < b.since ? 1 : -1));
});
export const running = computed(() => operations.value.filter((one) => one.state === "running"));

/** That somebody lacks this role, as a sentence; empty if they have it. */
export function lacking(role) {
  const has = session.value?.role;
  return ROLES.indexOf(has) < ROLES.indexOf(role) ? `You are logged in as ${has ?? "nobody"}: this takes the role ${role}.` : "";
}

/** Why somebody may not do what takes this role, as a sentence; empty if they may. */
export function obstacle(role) {
  const cluster = look.value?.cluster;
  const lack = lacking(role);
  if (lack) return lack;
  if (cluster && !cluster.quorum) return "Nothing can be changed without quorum.";
  if (connection.value.state === "lost") return "Nothing can be changed while the connection is lost.";
  return "";
}

let serial = 0;

/** Says something in passing, at the lower edge of the page and to screen readers. */
export function notice(text, kind = "ok", remedy = "") {
  const id = ++serial;
  notices.value = [...notices.value, { id, text, kind, remedy }].slice(-4);
  if (kind !== "error") setTimeout(() => dismiss(id), 7000);
}

export function dismiss(id) {
  notices.value = notices.value.filter((one) => one.id !== id);
}

/** Takes note of an operation that an action has started. */
export function follow(operation) {
  told.value = { ...told.value, [operation.id]: operation };
}

function ended(before, after) {
  for (const one of after) {
    if (one.state === "running" || before[one.id]?.state !== "running") continue;
    if (one.by && one.by !== session.value?.user) continue;
    if (one.state === "done") notice(one.message || `${one.verb} ${one.subject}: done`);
    else notice(one.message || `${one.verb} ${one.subject} failed`, "error", one.remedy);
  }
}

function onEvent(type, data) {
  if (type === "cluster") {
    const before = Object.fromEntries(operations.value.map((one) => [one.id, one]));
    batch(() => {
      look.value = data;
      trouble.value = null;
    });
    ended(before, data.operations ?? []);
  } else if (type === "trouble") {
    trouble.value = data.error;
  } else if (type === "operation") {
    const before = Object.fromEntries(operations.value.map((one) => [one.id, one]));
    follow(data);
    ended(before, [data]);
  } else if (type === "journal" && journal.value) {
    const others = journal.value.filter((one) => one.id !== data.id);
    journal.value = [data, ...others].slice(0, KEPT);
  }
}

function onConnection(state, error) {
  const now = connection.value;
  if (now.state !== state || now.error?.message !== error?.message) {
    connection.value = { state, error, since: now.state === state ? now.since : Date.now() };
  }
}

let close = null;

/** Reads everything and goes on listening, once somebody is logged in. */
async function begin() {
  close?.();
  close = listen(onEvent, onConnection);
  try {
    const first = await get("/cluster");
    look.value ??= first;
  } catch (error) {
    if (error.status !== 401 && !look.value) trouble.value = error;
  }
}

/** Reads the journal if nobody has yet. */
export async function readJournal() {
  if (journal.value) return;
  const entries = (await get("/journal?limit=500")).entries;
  journal.value ??= entries;
}

function forget() {
  close?.();
  close = null;
  batch(() => {
    session.value = null;
    look.value = null;
    trouble.value = null;
    journal.value = null;
    told.value = {};
  });
}

/** Finds out who is logged in, without asking them. */
export async function resume() {
  whenLoggedOut(() => {
    if (session.value) notice("Your session has ended: log in again, and you are where you were.", "warning");
    forget();
  });
  setInterval(() => (clock.value = Date.now()), 1000);
  const back = isBack();
  try {
    session.value = await (back ? arrive() : get("/session"));
  } catch (error) {
    session.value = null;
    if (back || error.status !== 401) throw error;
    return;
  }
  await begin();
}

export async function logIn(user, password) {
  session.value = await change("POST", "/session", { user, password });
  await begin();
}

export async function logOut() {
  try {
    await change("DELETE", "/session");
  } finally {
    forget();
  }
}
