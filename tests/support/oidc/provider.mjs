// In: {modules, clients, people, brief} as JSON in argv; lines of JSON on stdin change people. Out: "PORT n" and an OpenID provider on loopback.
// People sign in by their name with any password (the pages are oidc-provider's own for development).
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

// Standard output is for what is said to the test; the provider's own remarks are not.
const say = console.log;
console.log = console.info = console.warn = console.error;

const asked = JSON.parse(process.argv[2]);
const require = createRequire(`${asked.modules}/`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

let people = asked.people;
const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: asked.clients,
  claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups'], email: ['email', 'email_verified'] },
  // Where true, claims of scopes stand at the UserInfo endpoint only, as Core 5.4 wants it.
  conformIdTokenClaims: asked.brief,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  async findAccount(_context, id) {
    const claims = people[id];
    return claims && { accountId: id, claims: async () => ({ sub: id, ...claims }) };
  },
});
server.on('request', provider.callback());
createInterface({ input: process.stdin })
  .on('line', (line) => { people = JSON.parse(line); say('CHANGED'); })
  // Whoever started this is gone.
  .on('close', () => process.exit(0));
say(`PORT ${server.address().port}`);
