import type { Element, Nodes as HastNode } from 'hast';
import type { Nodes as MdastNode } from 'mdast';
import { memo, type ReactNode, useMemo } from 'react';
import ReactMarkdown, { type Components } from 'react-markdown';
import rehypeSanitize, { type Options as Schema } from 'rehype-sanitize';
import remarkGfm from 'remark-gfm';
import { type Block, definitionsOf, splitBlocks } from './blocks.ts';
import { CodeBlock } from './code-block.tsx';
import { destinationOf, safeAddress } from './safe-url.ts';

/** Above this a block is shown as plain text: parsing prose is not linear for hostile input. */
const longestParsed = 12_000;

const schema: Schema = {
  tagNames: [
    ...['a', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'img', 'input', 'li'],
    ...['ol', 'p', 'pre', 'strong', 'sup', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul'],
  ],
  attributes: {
    a: ['href'],
    code: [['className', /^language-[\w+#.-]{1,30}$/]],
    img: ['src', 'alt'],
    input: [['type', 'checkbox'], 'checked', ['disabled', true]],
    li: [['className', 'task-list-item']],
    ol: ['start'],
    td: ['align'],
    th: ['align'],
  },
  protocols: { href: ['http', 'https', 'mailto'], src: ['http', 'https'] },
  required: { input: { type: 'checkbox', disabled: true } },
  strip: ['script', 'style'],
};

/** Raw HTML in a message is shown as the text it is. */
function htmlAsText() {
  return (tree: MdastNode): void => {
    if (!('children' in tree)) return;
    tree.children.forEach((child: MdastNode, index: number) => {
      if (child.type === 'html') {
        const text = { type: 'text' as const, value: child.value };
        const inFlow = tree.type !== 'paragraph' && tree.type !== 'heading' && !isPhrasing(tree);
        (tree.children as MdastNode[])[index] = inFlow ? { type: 'paragraph', children: [text] } : text;
      } else htmlAsText()(child);
    });
  };
}

function isPhrasing(node: MdastNode): boolean {
  return ['emphasis', 'strong', 'delete', 'link', 'linkReference', 'tableCell'].includes(node.type);
}

function textOf(node: HastNode): string {
  if (node.type === 'text') return node.value;
  return 'children' in node ? node.children.map((child) => textOf(child)).join('') : '';
}

function codeOf(pre: Element | undefined): { code: string; language: string } {
  const code = pre?.children.find((child): child is Element => child.type === 'element' && child.tagName === 'code');
  const classes = code?.properties['className'];
  const language = Array.isArray(classes) ? String(classes[0] ?? '').replace(/^language-/, '') : '';
  return { code: code ? textOf(code).replace(/\n$/, '') : '', language };
}

function ExternalLink(props: { href?: string | undefined; children?: ReactNode }): ReactNode {
  const address = safeAddress(props.href);
  if (!address)
    return (
      <span className="dead-link" title="Not a web address, so it cannot be opened">
        {props.children}
      </span>
    );
  const destination = destinationOf(address);
  return (
    <a
      href={address.href}
      target="_blank"
      rel="noopener noreferrer nofollow"
      title={`Opens ${destination}`}
      className="external"
    >
      {props.children}
      <span className="link-host" aria-hidden="true">
        {destination}
      </span>
      <span className="sr-only"> (opens {destination} in a new tab)</span>
    </a>
  );
}

/** Stands where an image would be: nothing is fetched because of a message, ever. */
function ImagePlaceholder(props: { src?: unknown; alt?: string | undefined }): ReactNode {
  const address = typeof props.src === 'string' ? safeAddress(props.src) : null;
  const from = address ? destinationOf(address) : 'inside the message';
  return (
    <span className="image-blocked">
      <span className="image-blocked-mark" aria-hidden="true">
        ▨
      </span>
      Image not loaded{props.alt ? `: ${props.alt}` : ''} <span className="image-host">{from}</span>
    </span>
  );
}

function componentsFor(live: boolean): Components {
  return {
    a: ({ href, children }) => <ExternalLink href={href}>{children}</ExternalLink>,
    img: ({ src, alt }) => <ImagePlaceholder src={src} alt={alt} />,
    pre: ({ node }) => <CodeBlock {...codeOf(node)} live={live} />,
    table: ({ children }) => (
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard (WCAG 2.1.1)
      <section className="table-wrap" tabIndex={0} aria-label="Table">
        <table>{children}</table>
      </section>
    ),
    input: ({ checked }) => <input type="checkbox" checked={checked === true} disabled readOnly aria-label="Task" />,
  };
}

const components = { live: componentsFor(true), done: componentsFor(false) };
const remarkPlugins = [[remarkGfm, { singleTilde: false }] as [typeof remarkGfm, object], htmlAsText];
const rehypePlugins = [[rehypeSanitize, schema] as [typeof rehypeSanitize, Schema]];

const MarkdownBlock = memo(function MarkdownBlock(props: { text: string; live: boolean }): ReactNode {
  if (props.text.length > longestParsed) return <p className="plain">{props.text}</p>;
  return (
    <ReactMarkdown
      remarkPlugins={remarkPlugins}
      rehypePlugins={rehypePlugins}
      components={props.live ? components.live : components.done}
      urlTransform={(url) => safeAddress(url)?.href ?? ''}
    >
      {props.text}
    </ReactMarkdown>
  );
});

/**
 * The one renderer of model output, for a streaming message and for history alike. Shows GitHub-flavoured Markdown;
 * never raw HTML, never an image, never a link that is not http, https or mailto.
 */
export const Markdown = memo(function Markdown(props: { text: string; live?: boolean }): ReactNode {
  const blocks = useMemo(() => splitBlocks(props.text), [props.text]);
  const definitions = useMemo(() => definitionsOf(blocks), [blocks]);
  return (
    <div className="markdown">
      {blocks.map((block, index) => {
        const live = props.live === true && index === blocks.length - 1;
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks only grow at the end, so the place is the identity
        return <OneBlock key={index} block={block} live={live} definitions={definitions} />;
      })}
    </div>
  );
});

function OneBlock(props: { block: Block; live: boolean; definitions: string }): ReactNode {
  const { block, live, definitions } = props;
  if (block.kind === 'code') return <CodeBlock code={block.code} language={block.language} live={live} />;
  if (block.text.trim() === '') return null;
  const text = definitions !== '' && block.text.includes('[') ? `${block.text}\n\n${definitions}` : block.text;
  return <MarkdownBlock text={text} live={live} />;
}
