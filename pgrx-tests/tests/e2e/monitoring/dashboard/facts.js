// What a test wants to know of the page as it is drawn.
(() => {
    const visible = e => e.getClientRects().length > 0;
    const name = e => `${e.tagName} ${e.getAttribute('class') || ''}: ${e.textContent.trim().slice(0, 40)}`;

    // WCAG 2.2: relative luminance and contrast.
    const parse = colour => {
        const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
        return { rgb: [r, g, b], a };
    };
    const luminance = rgb => {
        const [r, g, b] = rgb.map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const background = e => {
        for (; e; e = e.parentElement) {
            const { rgb, a } = parse(getComputedStyle(e).backgroundColor);
            if (a > 0) return rgb;
        }
        return [255, 255, 255];
    };
    const contrast = e => {
        const style = getComputedStyle(e);
        const ink = luminance(parse(e instanceof SVGElement ? style.fill : style.color).rgb);
        const paper = luminance(background(e));
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    };
    const hasOwnText = e => [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim());
    const texts = [...document.body.querySelectorAll('*')].filter(e =>
        hasOwnText(e) && visible(e) && e.tagName !== 'title' && !e.closest('.hidden') && !e.closest('[aria-hidden=true]'));

    const drawn = card => {
        const svg = card.querySelector('svg[role=img]');
        if (!svg) return false;
        const box = svg.getBoundingClientRect();
        const shapes = [...svg.querySelectorAll('path, rect, circle, line')];
        return box.width > 60 && box.height > 20 && shapes.some(s => s.getBoundingClientRect().width > 20);
    };

    return {
        dark: matchMedia('(prefers-color-scheme: dark)').matches,
        width: innerWidth,
        wider_than_screen: [document.documentElement, ...document.body.querySelectorAll('*')]
            .filter(e => visible(e) && !e.closest('.hidden')
                && (e.getBoundingClientRect().right > innerWidth + 0.5
                    || (!(e instanceof SVGElement) && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')))
            .map(name),
        hardly_readable: texts.filter(e => contrast(e) < 4.5).map(e => `${contrast(e).toFixed(2)} ${name(e)}`),
        without_text: [...document.querySelectorAll('svg')]
            .filter(e => e.getAttribute('aria-hidden') !== 'true' && !(e.getAttribute('aria-label') || '').trim())
            .map(name),
        scripts: document.scripts.length,
        charts: [...document.querySelectorAll('.question')].filter(drawn).map(card => card.querySelector('h3').textContent),
    };
})()
