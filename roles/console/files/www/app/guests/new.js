// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/** A new guest: declared in a form, judged as guests.yml would judge it, to be committed. The play makes its disks. */
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { change, get, uuid } from "../lib/api.js";
import { to } from "../lib/route.js";
import { Button } from "../parts/button.js";
import { Failure, Waiting } from "../parts/empty.js";
import { Icon } from "../parts/icon.js";
import { useLoaded } from "../parts/loaded.js";
import { Field, More, file, number, of, others, put, sorted } from "./fields.js";
import { Proposed } from "./proposed.js";

const KINDS = [["vm", "VM"], ["container", "Container"]];
const USUAL = { memory: "1GiB" };
/** Where an image is named, by what boots from it. */
const IMAGE = { disk: "disks[0].image", kernel: "image", rootfs: "rootfs.image" };

/** Keys that have fields, whole. */
const OWN = ["kind", "state", "remove_disks", "description", "vcpus", "memory", "max_memory", "ssh_keys"];

/** The declaration that a form says. Throws what to show for other keys that are no JSON. */
function declaration(form, kind) {
  const found = { kind };
  for (const [path, text] of form) {
    const { usual = "", read = String } = of(kind).find((field) => field.path === path) ?? {};
    const value = text.trim();
    if (["name", "started", "others", "yaml", "ssh_keys"].includes(path) || value === "" || value === String(usual)) continue;
    put(found, path, path.endsWith(".vlan") ? number(value) : read(value));
  }
  if (!form.has("started")) found.state = "stopped";
  const keys = form.get("ssh_keys").split("\n").map((key) => key.trim()).filter(Boolean);
  if (keys.length) found.ssh_keys = keys;
  for (const list of ["disks", "nics"]) if (found[list]) found[list] = Array.from(found[list], (one) => one ?? {});
  return { ...found, ...others(form) };
}

/** Entries of a list, each a group of fields with a button that takes it out. */
function List({ what, add, rows, set, least = 0, children }) {
  return html`${rows.map((key, index) => html`<fieldset key=${key}><legend>${`${what} ${index + 1}`}</legend><div class="fields">${children(index)}</div>
      ${rows.length > least && html`<${Button} label="Remove" name=${`Remove ${what.toLowerCase()} ${index + 1}`} kind="quiet small" onPress=${() => set(rows.filter((one) => one !== key))} />`}</fieldset>`)}
    <${Button} label=${add} kind="small" onPress=${() => set([...rows, uuid()])} />`;
}

function Pool({ path, pools, kind, faults }) {
  const fitting = pools.filter((pool) => pool.kinds.includes(kind));
  const usual = fitting.find((pool) => pool.default_of.includes(kind));
  const words = ({ name, type, shared }) => `${name}: ${type}${shared ? "" : ", each node's own"}`;
  const options = [...(usual ? [["", `${words(usual)} (the default)`]] : [["", "Choose one"]]), ...fitting.filter((pool) => pool !== usual).map((pool) => [pool.name, words(pool)])];
  return html`<${Field} path=${path} label="Pool" options=${options} faults=${faults} />`;
}

function Interface({ index, bridges, faults }) {
  const [chosen, choose] = useState(bridges[0]?.name ?? "");
  const bridge = bridges.find(({ name }) => name === chosen);
  const path = (key) => `nics[${index}].${key}`;
  return html`<${Field} path=${path("bridge")} label="Bridge" value=${chosen} options=${bridges.map(({ name }) => [name, name])} faults=${faults} onChange=${(event) => choose(event.target.value)} />
    <${Field} path=${path("address")} label="Address with its prefix; none: DHCP" placeholder=${bridge?.networks[0] ? `in ${bridge.networks[0]}` : ""} faults=${faults} />
    <${Field} path=${path("gateway")} label="Gateway" placeholder=${bridge?.gateway ?? ""} faults=${faults} />
    ${bridge?.vlan_aware && html`<${Field} path=${path("vlan")} label="VLAN" faults=${faults} />`}`;
}

function Form({ offers }) {
  const [[faults, error], fail] = useState([{}, null]);
  const [said, tell] = useState(null);
  const [busy, wait] = useState(false);
  const [kind, be] = useState("vm");
  const [disks, setDisks] = useState([uuid()]);
  const [nics, setNics] = useState(offers.bridges.length ? [uuid()] : []);
  const images = offers.images.filter((image) => image.kind === kind);
  const [picked, pick] = useState(images[0]?.name ?? "");
  const image = images.find(({ name }) => name === picked);
  const form = useRef(null);
  useEffect(() => void form.current?.querySelector("[aria-invalid]")?.focus(), [faults]);
  const turn = (event) => {
    const next = offers.images.filter((one) => one.kind === event.target.value);
    be(event.target.value);
    // The same system, if there is one of that name for the other kind.
    pick((next.find(({ name }) => name === picked) ?? next[0])?.name ?? "");
    fail([{}, null]);
  };
  const submit = async (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const name = given.get("name").trim();
    fail([{}, null]);
    tell(null);
    wait(true);
    try {
      if (!name) throw { faults: [{ path: "guests.", message: "is missing: it is the guest's host name, too" }] };
      const wish = { declaration: declaration(given, kind) };
      tell({ ...(await change("POST", "/guests", { name, ...wish, ...file(given) })), wish, name });
    } catch (failed) {
      fail(sorted(failed, name, event.target));
    }
    wait(false);
  };
  const field = (path, label, more = {}) => html`<${Field} path=${path} label=${label} faults=${faults} ...${more} />`;
  const imagePath = IMAGE[image?.boots] ?? (kind === "vm" ? IMAGE.disk : IMAGE.rootfs);
  const options = [...images.map(({ name, boots }) => [name, boots === "kernel" ? `${name}: its kernel` : name]), ...(kind === "vm" ? [["", "none: an empty disk"]] : [])];
  return html`<form class="edit" onSubmit=${submit} ref=${form} aria-label="New guest">
    <div class="fields">${field("name", "Name, which is its host name too")}
      ${field("kind", "Kind", { value: kind, options: KINDS, onChange: turn })}
      ${field(imagePath, "Image", { value: picked, options, onChange: (event) => pick(event.target.value) })}
      ${of(kind).map(({ path, label, usual = "" }) => html`<${Field} key=${path} path=${path} label=${label} value=${USUAL[path] ?? usual} faults=${faults} />`)}
      <label class="inline"><input type="checkbox" name="started" defaultChecked />Started</label></div>
    ${kind === "vm"
      ? html`<${List} key="disks" what="Disk" add="Add a disk" rows=${disks} set=${setDisks} least=${image?.boots === "kernel" ? 0 : 1}>
          ${(index) => html`${field(`disks[${index}].size`, "Size", { value: "20GiB" })}<${Pool} path=${`disks[${index}].pool`} pools=${offers.pools} kind=${kind} faults=${faults} />`}<//>`
      : html`<fieldset key="rootfs"><legend>Root file system</legend><div class="fields">${field("rootfs.size", "Most it may hold; none: all there is")}<${Pool} path="rootfs.pool" pools=${offers.pools} kind=${kind} faults=${faults} /></div></fieldset>`}
    <${List} key="nics" what="Interface" add="Add an interface" rows=${nics} set=${setNics}>${(index) => html`<${Interface} index=${index} bridges=${offers.bridges} faults=${faults} />`}<//>
    <details><summary>SSH keys</summary>${field("ssh_keys", "Public keys that open it as root, one a line, besides those that all guests have", { area: 3 })}</details>
    <${More} keys=${offers.keys[kind].filter((key) => !OWN.includes(key))} name="guests" patched faults=${faults} />
    ${error && html`<${Failure} error=${error} />`}
    <${Button} label="Propose the guest" kind="primary" role="operator" busy=${busy} submit />
    ${said && html`<${Proposed} title="The guest, to be committed" place="the YAML of your guests" name=${said.name} said=${said} forge=${offers.forge} wish=${said.wish} />`}
  </form>`;
}

export function NewGuest() {
  const [body, error, again] = useLoaded((stop) => get("/offers", stop), "offers");
  return html`<a class="up" href=${to("guests")}><${Icon} name="back" />Guests</a><h1 tabindex="-1">New guest</h1>
    <section class="panel" aria-label="Its declaration"><p class="hint">Nothing is made here. What you fill in becomes YAML, judged as the play guests.yml judges it: commit that, and the play makes the disks and starts the guest. A VM moves while it runs; a container is lighter, and away for a second when it moves.</p>
      ${body ? html`<${Form} offers=${body.offers} />` : error ? html`<${Failure} error=${error} again=${again} />` : html`<${Waiting} what="Reading what there is …" />`}</section>`;
}
