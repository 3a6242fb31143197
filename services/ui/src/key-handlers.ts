import type { ui } from '@secai/contracts';
import type { Handlers } from '@secai/kit';
import { newKeyId } from './keys.ts';
import type { Parts } from './parts.ts';

type Routes = (typeof ui)['routes'];
type KeyHandlers = Pick<Handlers<Routes>, 'keys' | 'createKey' | 'deleteKey' | 'operatorCreateKey'>;

/** API keys, from the settings page and from the command line. */
export function keyHandlers({ keys, audit }: Parts): KeyHandlers {
  const create = async (name: string, by: string) => {
    const id = newKeyId();
    await audit.append({ event: 'key_created', key_id: id, by });
    return keys.create(id, name);
  };
  return {
    keys: async () => ({ keys: await keys.list() }),
    createKey: ({ body, caller }) => create(body.name, caller.name),
    operatorCreateKey: ({ body, caller }) => create(body.name, caller.name),
    async deleteKey({ params }) {
      await keys.require(params.id);
      await audit.append({ event: 'key_revoked', key_id: params.id });
      await keys.revoke(params.id);
      return { deleted: params.id };
    },
  };
}
