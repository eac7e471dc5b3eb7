// Copyright: The Drover maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
/**
 * An OpenID Connect provider that others wrote and had certified (the package oidc-provider), over TLS. Its pages are the
 * package's own, where a log-in's name is believed with any password.
 *
 * Its argument is the folder that has the package. Standard input has a JSON object on each line, and each is answered by
 * one: the first says where to listen, the others what it is from then on. What it was asked before, it remembers.
 */
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:https";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// It warns that its pages are for trials; standard output is for answers.
console.info = console.error;

const { default: Provider } = await import(pathToFileURL(join(process.argv[2], "node_modules/oidc-provider/lib/index.js")));
const cookies = { keys: [randomUUID()] };
/** Private keys by their names. */
const made = new Map();

/** The key of this name, for signatures by this algorithm: the same each time. */
function key({ kid, alg }) {
  if (!made.has(kid)) {
    const curve = { ES256: "P-256", ES384: "P-384", ES512: "P-521" }[alg];
    const [kind, how] = curve ? ["ec", { namedCurve: curve }] : alg === "EdDSA" ? ["ed25519"] : ["rsa", { modulusLength: 2048 }];
    made.set(kid, generateKeyPairSync(kind, how).privateKey.export({ format: "jwk" }));
  }
  return { ...made.get(kid), kid, use: "sig" };
}

/** The provider as it is told to be: its one client, whom it knows, and its keys, of which the first signs. */
function provider(issuer, { client, people, keys, claims, inToken, alg, method }) {
  const signed = alg ?? keys[0].alg;
  return new Provider(issuer, {
    clients: [{ ...client, id_token_signed_response_alg: signed, token_endpoint_auth_method: method }],
    clientAuthMethods: [method],
    jwks: { keys: keys.map(key) },
    enabledJWA: { idTokenSigningAlgValues: [signed] },
    cookies,
    claims: { profile: claims },
    // As its standard has it, what a scope brings is in userinfo; many providers put it into the ID token.
    conformIdTokenClaims: !inToken,
    pkce: { required: () => true },
    findAccount: (_context, id) => (people[id] ? { accountId: id, claims: () => ({ ...people[id], sub: id }) } : undefined),
  });
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const told = async () => JSON.parse((await lines.next()).value);
const answer = (said) => process.stdout.write(`${JSON.stringify(said)}\n`);

const { address, cert, key: own } = await told();
let handle;
const server = createServer({ cert, key: own }, (request, response) => handle(request, response));
await new Promise((done) => server.listen(0, address, done));
const { port } = server.address();
answer({ port });
for await (const line of lines) {
  handle = provider(`https://${address}:${port}`, JSON.parse(line)).callback();
  answer({ ready: true });
}
process.exit();
