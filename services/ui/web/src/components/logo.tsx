import type { ReactNode } from 'react';

/** A closed ring with one watched opening: everything inside stays inside. */
export function Logo(props: { size?: number }): ReactNode {
  const size = props.size ?? 26;
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" className="logo">
      <rect width="32" height="32" rx="8" className="logo-ground" />
      <path
        d="M21.7 9.2A8.6 8.6 0 1 0 24.6 16"
        fill="none"
        strokeWidth="3"
        strokeLinecap="round"
        className="logo-ring"
      />
      <circle cx="16" cy="16" r="2.9" className="logo-core" />
      <circle cx="24" cy="11.6" r="1.7" className="logo-gate" />
    </svg>
  );
}
