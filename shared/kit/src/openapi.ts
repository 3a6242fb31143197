import type { Contract, Route } from '@secai/contracts';
import { problemSchema } from '@secai/contracts';
import * as z from 'zod';

const jsonSchema = (schema: z.ZodType, io: 'input' | 'output'): object => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
};

/** The OpenAPI 3.1 document of a contract. */
export function openApi(contract: Contract, version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [name, route] of Object.entries(contract.routes)) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(name, route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: `SecAI OS ${contract.service}`, version },
    paths,
    components: {
      securitySchemes: {
        edge: { type: 'http', scheme: 'bearer', description: 'edge token of the topology' },
        key: { type: 'http', scheme: 'bearer', description: 'API key made on the settings page' },
        session: { type: 'apiKey', in: 'cookie', name: 'secai_session' },
      },
    },
  };
}

function operation(name: string, route: Route): object {
  const parameters = [
    ...Object.entries(route.params?.shape ?? {}).map(([key, schema]) => ({
      name: key,
      in: 'path',
      required: true,
      schema: jsonSchema(schema as z.ZodType, 'input'),
    })),
    ...Object.entries(route.query?.shape ?? {}).map(([key, schema]) => ({
      name: key,
      in: 'query',
      required: false,
      schema: jsonSchema(schema as z.ZodType, 'input'),
    })),
  ];
  const auth = route.auth ?? 'edge';
  return {
    operationId: name,
    summary: route.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && {
      requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(route.body, 'input') } } },
    }),
    security: auth === 'open' ? [] : [{ [auth]: auth === 'edge' ? [route.scope] : [] }],
    responses: {
      [route.status ?? 200]: {
        description: 'success',
        ...(route.response && { content: { 'application/json': { schema: jsonSchema(route.response, 'output') } } }),
      },
      default: {
        description: 'a problem (RFC 9457)',
        content: { 'application/problem+json': { schema: jsonSchema(problemSchema, 'output') } },
      },
    },
  };
}
