// An OIDC issuer of a CI on loopback: a real one, whose tokens carry the claims that a test asks for.
//
//   node provider.mjs MODULE
//
// MODULE is the entry file of oidc-provider. Writes its port to stdout, and ends when stdin does.
// Two issuers share the keys: one at the root and one below /ci/, whose identifier ends in a slash.
// PUT /control {"keys": [{"kid", "kty", "crv"?, "alg"?}], "down"} changes what both are.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';

const { Provider } = await import(process.argv[2]);

const server = createServer(answer);
let issuers = [];
let down = false;

function privateKey({ kid, kty, crv, alg }) {
  const { privateKey: key } = {
    RSA: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    EC: () => generateKeyPairSync('ec', { namedCurve: crv }),
    OKP: () => generateKeyPairSync('ed25519'),
  }[kty]();
  return { ...key.export({ format: 'jwk' }), kid, ...(alg && { alg }) };
}

// Claims and algorithm stand in the request for a token, as no CI does: the rest is the issuer's.
function asked(ctx) {
  return JSON.parse(ctx.get('x-claims'));
}

function issuer(identifier, keys) {
  return new Provider(identifier, {
    jwks: { keys },
    clients: [{
      client_id: 'job',
      client_secret: 'of-the-job',
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    }],
    extraTokenClaims: (ctx) => asked(ctx),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx) => ({
          audience: ctx.get('x-audience'),
          scope: '',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: ctx.get('x-algorithm') } },
        }),
      },
    },
  });
}

async function control(request, response) {
  let text = '';
  for await (const chunk of request) text += chunk;
  const wanted = JSON.parse(text);
  down = wanted.down ?? down;
  if (wanted.keys) {
    const root = `http://127.0.0.1:${server.address().port}`;
    const keys = wanted.keys.map(privateKey);
    issuers = [['/ci', issuer(`${root}/ci/`, keys)], ['', issuer(root, keys)]]
      .map(([prefix, provider]) => [prefix, provider.callback()]);
  }
  response.writeHead(204).end();
}

function answer(request, response) {
  if (request.url === '/control') return control(request, response);
  if (down) return request.socket.destroy();
  const [prefix, handle] = issuers.find(([start]) => request.url.startsWith(`${start}/`));
  request.originalUrl = request.url;
  request.url = request.url.slice(prefix.length);
  return handle(request, response);
}

server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume().on('end', () => process.exit(0));
