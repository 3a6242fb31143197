import type { Session } from '../state/session.ts';

/** The quiet sentence in the frame, and what stands behind it. Each mode claims only what holds in it. */
export function statusText(mode: Session['mode']): { short: string; long: string[] } {
  const general = [
    'Chats, models and keys stay on this machine, and this page loads nothing from anywhere else: no fonts, no images, no scripts.',
    'The airlock, the only part that could ever send something out, is not installed in this version.',
    'A click on a link in an answer opens it in your browser, which is outside SecAI.',
  ];
  if (mode === 'evaluation')
    return {
      short: 'Local · no service here connects to the internet',
      long: [
        ...general,
        'The one download is the starter model: unless it was switched off, pip fetches it at the first start, before the services run.',
        'In evaluation mode the services stay off the network by how they are written, not yet by a wall around each of them.',
      ],
    };
  return { short: 'Local · airlock not installed', long: general };
}

export function modeText(mode: Session['mode']): { label: string; sentence: string } {
  if (mode === 'evaluation')
    return {
      label: 'Evaluation mode',
      sentence:
        'All checks are real, but the services run as ordinary processes of your account. There is no measured boot, no sealed disk and no separate network for each service. Good for trying it out; not yet a place for your deepest secrets.',
    };
  if (mode === 'vm')
    return {
      label: 'Virtual machine',
      sentence: 'SecAI OS runs inside a virtual machine. Whoever runs that machine could look inside it.',
    };
  return { label: 'Own hardware', sentence: 'SecAI OS runs directly on this machine.' };
}
