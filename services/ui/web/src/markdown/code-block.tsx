import { memo, type ReactNode, useEffect, useState } from 'react';
import { CopyButton } from '../components/copy-button.tsx';
import type { Token } from './highlight.ts';

const longestHighlighted = 60_000;

/** A block of code with its language and a copy button. Colours come when the block is finished and the highlighter is there. */
export const CodeBlock = memo(function CodeBlock(props: { code: string; language: string; live: boolean }): ReactNode {
  const { code, language, live } = props;
  const [coloured, setColoured] = useState<{ code: string; tokens: Token[] } | null>(null);

  useEffect(() => {
    if (live || language === '' || code.length > longestHighlighted) return;
    let current = true;
    void import('./highlight.ts').then(({ tokenize }) => {
      const tokens = current ? tokenize(code, language) : null;
      if (tokens) setColoured({ code, tokens });
    });
    return () => {
      current = false;
    };
  }, [code, language, live]);

  return (
    <figure className="code">
      <figcaption className="code-head">
        <span>{language || 'text'}</span>
        <CopyButton text={code} label="Copy code" />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard (WCAG 2.1.1) */}
      <pre tabIndex={0}>
        <code>
          {coloured?.code === code
            ? coloured.tokens.map((token, index) =>
                token.className === '' ? (
                  token.text
                ) : (
                  // biome-ignore lint/suspicious/noArrayIndexKey: tokens have no identity beyond their place
                  <span key={index} className={token.className}>
                    {token.text}
                  </span>
                ),
              )
            : code}
        </code>
      </pre>
    </figure>
  );
});
