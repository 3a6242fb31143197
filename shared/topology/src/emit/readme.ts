import { services } from '../services.ts';

const START = '<!-- services:start, written by shared/topology/src/emit -->';
const END = '<!-- services:end -->';

/** The README with its table of services brought up to date. Throws when the marks around the table are gone. */
export function readmeWithServices(readme: string): string {
  const start = readme.indexOf(START);
  const end = readme.indexOf(END);
  if (start < 0 || end < start) throw new Error(`README.md needs the lines "${START}" and "${END}"`);
  const rows = services.map(
    ({ name, port, zone, summary }) => `| [${name}](services/${name}) | ${port} | ${zone} | ${summary} |`,
  );
  const table = ['| service | port | zone | does |', '|---|---|---|---|', ...rows].join('\n');
  return `${readme.slice(0, start + START.length)}\n${table}\n${readme.slice(end)}`;
}
