import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Problem } from '@secai/contracts';

const derive = promisify(argon2);

/** RFC 9106 section 4, second recommended option, with one lane: Node computes lanes one after the other. KiB and passes. */
const COST = { memory: 64 * 1024, passes: 3, parallelism: 1 };
const TAG_BYTES = 32;
const SALT_BYTES = 16;

/** Each derivation takes 64 MiB and a thread; more than these wait in vain. */
const MAX_WAITING = 8;

/** Hashes and checks passphrases, one at a time, so that many attempts at once cannot exhaust memory. */
export class PassphraseHasher {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** A PHC string `$argon2id$v=19$m=…,t=…,p=…$salt$tag`. */
  async hash(passphrase: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const tag = await this.#derive(passphrase, salt, COST, TAG_BYTES);
    const cost = `m=${COST.memory},t=${COST.passes},p=${COST.parallelism}`;
    return `$argon2id$v=19$${cost}$${encode(salt)}$${encode(tag)}`;
  }

  /** Whether this is the passphrase, at the cost noted in the hash. Throws for text that is no such hash. */
  async matches(passphrase: string, phc: string): Promise<boolean> {
    const parts = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(phc);
    if (!parts) throw new Error('the stored passphrase hash is no Argon2id hash');
    const cost = { memory: Number(parts[1]), passes: Number(parts[2]), parallelism: Number(parts[3]) };
    const tag = Buffer.from(parts[5]!, 'base64');
    return timingSafeEqual(tag, await this.#derive(passphrase, Buffer.from(parts[4]!, 'base64'), cost, tag.length));
  }

  #derive(passphrase: string, nonce: Buffer, cost: typeof COST, tagLength: number): Promise<Buffer> {
    if (this.#waiting >= MAX_WAITING)
      throw new Problem('rate_limited', 'too many attempts at once; try again in a few seconds');
    this.#waiting++;
    // The same passphrase typed on another keyboard may arrive decomposed (RFC 8265 asks for one form).
    const parameters: Argon2Parameters = { message: passphrase.normalize('NFKC'), nonce, tagLength, ...cost };
    const result = this.#last.then(() => derive('argon2id', parameters));
    this.#last = result.catch(() => undefined).finally(() => this.#waiting--);
    return result;
  }
}

/** PHC strings use base64 without padding. */
function encode(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
